/**
 * A network of production machines in virtual time of which everything is kept: every datagram on every link, and the
 * secrets of each node. Ground truth, which no adversary has, comes from the machines themselves.
 */
import type { Crypto } from '../../src/crypto/crypto.js'
import type { PeerAddress } from '../../src/link/link.js'
import { runJob } from '../../src/role/jobs.js'
import { seeded } from '../base/seeded.js'
import { text, type VirtualNode } from '../sim/virtual-network.js'
import { crypto, type DeviceActor, World, type WorldOptions } from '../sim/world.js'
import { recording, Vault } from './vault.js'

export interface Recorded {
  readonly at: number
  readonly from: string
  readonly to: string
  readonly bytes: Uint8Array
}

export const GROUP = 'gardeners'
/** Long enough for all copies and receipts of what was sent. */
const QUIET_MS = 5_000

export class Recording {
  readonly datagrams: Recorded[] = []
  readonly world: World
  /** What splits and opens for all servers. */
  jobCrypto: Crypto = crypto
  copiesMade = 0
  private readonly vaults = new Map<string, Vault>()
  private readonly cryptos = new Map<string, Crypto>()

  constructor(options: WorldOptions) {
    let now = () => 0
    this.world = new World({
      ...options,
      cryptoOf: (name) => this.cryptoOf(name),
      tap: (from: PeerAddress, to: PeerAddress, bytes: Uint8Array) => {
        this.datagrams.push({ at: now(), from: text(from), to: text(to), bytes: bytes.slice() })
      },
      run: (job, node?: VirtualNode) => {
        if (job.type === 'split') this.copiesMade += job.count
        return this.vault(node?.name ?? '').addJob(job, (own) => runJob(this.jobCrypto, own))
      },
    })
    now = () => this.world.now
    for (const { name, self } of [this.world.server, ...this.world.proxies, ...this.world.devices]) {
      this.vault(name).addScalar(self.identity.secretScalar)
      this.vault(name).addScalar(self.identity.linkSecret)
    }
  }

  vault(name: string): Vault {
    const vault = this.vaults.get(name) ?? new Vault()
    this.vaults.set(name, vault)
    return vault
  }

  /** From now on a node computes with something else, which still leaves its secrets in its vault. */
  replaceCrypto(name: string, change: (crypto: Crypto) => Crypto): void {
    Object.assign(this.cryptoOf(name), recording(change(crypto), this.vault(name)))
  }

  /** Sends messages of random bytes by members in turn, and waits until all is over. */
  talk(members: readonly DeviceActor[], messages: number, bodyBytes: number, seed: number): Uint8Array[] {
    const random = seeded(seed)
    const bodies = Array.from({ length: messages }, (_, i) => {
      const body = random(bodyBytes)
      this.world.send(members[i % members.length] as DeviceActor, GROUP, body)
      return body
    })
    this.world.network.runFor(QUIET_MS)
    // Cover traffic has no end: without devices, what is under way comes to its own.
    for (const device of this.world.devices) this.world.crash(device)
    this.world.network.runFor(QUIET_MS)
    return bodies
  }

  private cryptoOf(name: string): Crypto {
    const made = this.cryptos.get(name) ?? recording(crypto, this.vault(name))
    this.cryptos.set(name, made)
    return made
  }
}
