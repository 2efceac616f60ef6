/**
 * Addresses as sockets name them and as they stand on the wire (PROTOCOL.md section 9.2). Only numeric ones: a name
 * in a proxy entry would have every device ask a resolver for the proxies it is about to use.
 */
import { assert } from '../base/assert.js'
import { ProtocolError } from '../base/errors.js'
import type { PeerAddress } from '../link/link.js'
import type { NetworkAddress } from '../wire/directory.js'
import { formatIp, parseIp } from '../wire/host.js'

/** The socket address; `undefined` for a DNS name. */
export function peerAddress({ kind, host, port }: NetworkAddress): PeerAddress | undefined {
  return kind === 'dns' ? undefined : { host: formatIp(host), port }
}

/** All addresses of a node, for a link to try, beginning with another each time: `turn` is any whole number from 0. */
export function fromTurn(addresses: readonly PeerAddress[], turn: number): readonly [PeerAddress, ...PeerAddress[]] {
  const first = turn % addresses.length
  const inTurn = [...addresses.slice(first), ...addresses.slice(0, first)]
  assert(inTurn.length > 0, 'a node that is connected to has an address')
  return inTurn as [PeerAddress, ...PeerAddress[]]
}

/** The wire form of a numeric socket address; throws `ENDPOINT_MALFORMED` for anything else. */
export function numericAddress({ host, port }: PeerAddress): NetworkAddress {
  const bytes = parseIp(host)
  if (bytes === undefined)
    throw new ProtocolError('ENDPOINT_MALFORMED', `${host} is not a numeric IPv4 or IPv6 address`)
  return { kind: bytes.length === 4 ? 'ipv4' : 'ipv6', host: bytes, port }
}
