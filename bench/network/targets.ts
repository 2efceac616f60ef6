/** The server and the proxies of a network as whoever joins it finds them. */
import type { Key, Point } from '../../src/base/bytes.js'
import { key } from '../../src/base/bytes.js'
import { type Millis, utcDay } from '../../src/base/time.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { resolveCard } from '../../src/driver/network.js'
import type { Target } from './hostile.js'
import { learnDirectory } from './idle-devices.js'
import { makeRequest } from './sink.js'

const SHAPE = { copies: 4, contentBytes: 320 }

export async function targetsOf(crypto: Crypto, card: string): Promise<Target[]> {
  const { identityKey, addresses } = await resolveCard(card)
  const { proxies, serverSealingKeys } = await learnDirectory(crypto, card)
  const request = (splitter: ReadonlyMap<number, Point>) => () => {
    const now: Millis = Date.now()
    return makeRequest(crypto, ofToday(splitter, now), ofToday(serverSealingKeys, now), now, SHAPE)
  }
  const server = { address: first(addresses), linkKey: crypto.linkPublicKey(identityKey) as Key }
  const others = [...proxies.values()].map(({ linkKey, sealingKeys, ...proxy }) => ({
    ...{ address: first(proxy.addresses), linkKey: key(linkKey), request: request(sealingKeys) },
  }))
  return [server, ...others]
}

function ofToday(keys: ReadonlyMap<number, Point>, now: Millis): Point {
  const today = keys.get(utcDay(now))
  if (today === undefined) throw new Error('no sealing key of today')
  return today
}

function first<T>(items: readonly T[]): T {
  const [item] = items
  if (item === undefined) throw new Error('nobody named an address')
  return item
}
