/**
 * Small internets out of network namespaces: hosts outside, and devices each behind a NAT of its own, made with iptables. Where
 * the machine does not allow that, `obstacle` says why in one line.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const HOSTS = '/etc/netns'
const OUTSIDE_INTERFACE = 'wan'
const INSIDE_INTERFACE = 'lan'

/** Runs a program to its end; throws with the first line of what it complained of. */
function run(program: string, ...words: string[]): string {
  try {
    return execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { stderr, code } = error as { readonly stderr?: string; readonly code?: string }
    const complaint = stderr?.trim().split('\n')[0] || code || String(error)
    throw new Error(`${[program, ...words].join(' ')}: ${complaint}`)
  }
}

/** Why there can be no such network here; `undefined` where there can. */
export function obstacle(): string | undefined {
  const probe = `cast-probe-${process.pid}`
  try {
    run('ip', 'netns', 'add', probe)
    try {
      run('ip', '-n', probe, 'link', 'add', OUTSIDE_INTERFACE, 'type', 'veth', 'peer', 'name', INSIDE_INTERFACE)
      const iptables = (...words: string[]) => run('ip', 'netns', 'exec', probe, 'iptables', ...words)
      iptables('-t', 'nat', '-A', 'POSTROUTING', '-p', 'udp', '-j', 'MASQUERADE', '--to-ports', '40000-49999')
      iptables('-A', 'FORWARD', '-m', 'statistic', '--mode', 'random', '--probability', '0.1', '-j', 'DROP')
      iptables('-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT')
    } finally {
      run('ip', 'netns', 'del', probe)
    }
    return undefined
  } catch (error) {
    return `no network namespaces with NAT here: ${(error as Error).message}`
  }
}

/** One that stands in the open, with as many addresses as are given to it, and the others behind NATs around it. */
export class Internet {
  readonly outside: string
  private readonly prefix = `cast${process.pid}`
  private readonly names: string[] = []
  private nats = 0

  constructor() {
    this.outside = this.namespace('out')
  }

  /** Gives the host outside an address. */
  addAddress(address: string): void {
    run('ip', '-n', this.outside, 'addr', 'add', `${address}/32`, 'dev', 'lo')
  }

  dropAddress(address: string): void {
    run('ip', '-n', this.outside, 'addr', 'del', `${address}/32`, 'dev', 'lo')
  }

  /** What every host's resolver knows from now on, without a name server. */
  setName(name: string, address: string): void {
    // Written in place: those who run in a namespace see this very file as /etc/hosts.
    for (const host of this.names)
      writeFileSync(join(HOSTS, host, 'hosts'), `127.0.0.1 localhost\n${address} ${name}\n`)
  }

  /** A host with a private address behind a NAT. */
  addNat(): Nat {
    const number = ++this.nats
    const [nat, inside] = [this.namespace(`nat${number}`), this.namespace(`in${number}`)]
    return new Nat(this.outside, nat, inside, number)
  }

  close(): void {
    for (const name of this.names) {
      run('ip', 'netns', 'del', name)
      rmSync(join(HOSTS, name), { recursive: true, force: true })
    }
  }

  private namespace(role: string): string {
    const name = `${this.prefix}-${role}`
    run('ip', 'netns', 'add', name)
    this.names.push(name)
    mkdirSync(join(HOSTS, name), { recursive: true })
    writeFileSync(join(HOSTS, name, 'hosts'), '127.0.0.1 localhost\n')
    run('ip', '-n', name, 'link', 'set', 'lo', 'up')
    return name
  }
}

export class Nat {
  /** The namespace of the host behind it. */
  readonly inside: string
  private readonly nat: string
  private readonly gateway: string
  private rule: readonly string[] = []
  private losses: readonly string[] = []

  constructor(outside: string, nat: string, inside: string, number: number) {
    this.nat = nat
    this.inside = inside
    this.gateway = `198.18.${number}.1`
    const port = `nat${number}`
    run('ip', 'link', 'add', port, 'netns', outside, 'type', 'veth', 'peer', 'name', OUTSIDE_INTERFACE, 'netns', nat)
    run('ip', '-n', outside, 'addr', 'add', `${this.gateway}/24`, 'dev', port)
    run('ip', '-n', outside, 'link', 'set', port, 'up')
    const lan = ['type', 'veth', 'peer', 'name', 'eth', 'netns', inside]
    run('ip', 'link', 'add', INSIDE_INTERFACE, 'netns', nat, ...lan)
    run('ip', '-n', nat, 'addr', 'add', '10.0.0.1/24', 'dev', INSIDE_INTERFACE)
    run('ip', '-n', nat, 'link', 'set', INSIDE_INTERFACE, 'up')
    run('ip', '-n', inside, 'addr', 'add', '10.0.0.2/24', 'dev', 'eth')
    run('ip', '-n', inside, 'link', 'set', 'eth', 'up')
    run('ip', '-n', inside, 'route', 'add', 'default', 'via', '10.0.0.1')
    run('ip', 'netns', 'exec', nat, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')
    run('ip', '-n', nat, 'addr', 'add', `198.18.${number}.2/24`, 'dev', OUTSIDE_INTERFACE)
    this.connect(40_000)
    this.iptables(
      '-A',
      'FORWARD',
      '-i',
      OUTSIDE_INTERFACE,
      '-m',
      'conntrack',
      '--ctstate',
      'ESTABLISHED',
      '-j',
      'ACCEPT',
    )
    this.iptables('-A', 'FORWARD', '-i', OUTSIDE_INTERFACE, '-j', 'DROP')
  }

  /** Loses this part of what passes, in both directions. */
  lose(part: number): void {
    this.losses = ['-p', 'udp', '-m', 'statistic', '--mode', 'random', '--probability', String(part), '-j', 'DROP']
    this.iptables('-I', 'FORWARD', ...this.losses)
  }

  loseNothing(): void {
    this.iptables('-D', 'FORWARD', ...this.losses)
  }

  /** Forgets all mappings and gives out other ports from now on, as a NAT that was switched off and on. */
  rebind(fromPort: number): void {
    this.iptables('-t', 'nat', '-D', 'POSTROUTING', ...this.rule)
    // The kernel forgets what was masqueraded by an interface that goes down.
    run('ip', '-n', this.nat, 'link', 'set', OUTSIDE_INTERFACE, 'down')
    this.connect(fromPort)
  }

  /** Mappings made under the present rule. */
  mappings(): number {
    const [, , counters = ''] = this.iptables('-t', 'nat', '-nvxL', 'POSTROUTING').split('\n')
    return Number(counters.trim().split(/\s+/)[0])
  }

  /** The firewall of the host inside refuses what is sent: the system answers each send with EPERM. */
  refuseSends(refused: boolean): void {
    run('ip', 'netns', 'exec', this.inside, 'iptables', refused ? '-A' : '-D', 'OUTPUT', '-p', 'udp', '-j', 'DROP')
  }

  /** The host inside loses its way out, and gets it back: sends fail with ENETUNREACH. */
  route(there: boolean): void {
    run('ip', '-n', this.inside, 'route', there ? 'add' : 'del', 'default', 'via', '10.0.0.1')
  }

  private connect(fromPort: number): void {
    this.rule = [
      '-o',
      OUTSIDE_INTERFACE,
      '-p',
      'udp',
      '-j',
      'MASQUERADE',
      '--to-ports',
      `${fromPort}-${fromPort + 999}`,
    ]
    this.iptables('-t', 'nat', '-A', 'POSTROUTING', ...this.rule)
    run('ip', '-n', this.nat, 'link', 'set', OUTSIDE_INTERFACE, 'up')
    run('ip', '-n', this.nat, 'route', 'add', 'default', 'via', this.gateway)
  }

  private iptables(...words: string[]): string {
    return run('ip', 'netns', 'exec', this.nat, 'iptables', ...words)
  }
}
