/**
 * From what people type to what machines take: network cards with their names resolved, HOST:PORT with the address it
 * stands for.
 */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { ProtocolError } from '../base/errors.js'
import type { PeerAddress } from '../link/link.js'
import type { ServerContact } from '../role/role.js'
import type { NetworkAddress } from '../wire/directory.js'
import { addressText, parseEndpoint, parseNetworkCard } from '../wire/text.js'

/** The server a card names; DNS_FAILED where none of its addresses can be resolved. */
export async function resolveCard(card: string): Promise<ServerContact> {
  const { identityKey, addresses } = parseNetworkCard(card)
  const resolved = await Promise.allSettled(addresses.map(resolveAddress))
  const found = resolved.flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
  if (found.length > 0) return { identityKey, addresses: found }
  throw (resolved[0] as PromiseRejectedResult).reason
}

/** The numeric address that HOST:PORT stands for, to listen on unless `anyPort` is false; the first where a name has several. */
export async function resolveEndpoint(text: string, { anyPort = true } = {}): Promise<PeerAddress> {
  const [first] = await resolveAddress(parseEndpoint(text, { anyPort }))
  return first as PeerAddress
}

async function resolveAddress(address: NetworkAddress): Promise<PeerAddress[]> {
  const host = addressText(address)
  if (isIP(host)) return [{ host, port: address.port }]
  try {
    const found = await lookup(host, { all: true })
    return found.map((each) => ({ host: each.address, port: address.port }))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ProtocolError(
      'DNS_FAILED',
      `cannot find the address of ${host} (${code}); check the name and this machine's DNS`,
      {
        cause: error,
      },
    )
  }
}
