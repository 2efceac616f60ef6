/** `splitcast doctor`: what this machine gives a node, what stands in its way, and what to do about it. */
import { arch, availableParallelism, cpus, platform, release } from 'node:os'
import type { Command } from 'commander'
import { threadCount } from '../driver/start-workers.js'
import { type CoreFacts, examineCore } from './doctor/core.js'
import { type DataFacts, examineData } from './doctor/data.js'
import type { Finding } from './doctor/finding.js'
import { examineUdp, kibibytes, type UdpFacts } from './doctor/udp.js'
import { exitCodes } from './exit-codes.js'
import { dataOf, dataOption } from './options.js'
import { columns, counted, print, printable, printJson } from './output.js'
import { ownVersion } from './version.js'

interface Options {
  readonly data?: string
  readonly json?: boolean
}

interface Diagnosis {
  readonly version: string
  readonly node: string
  readonly v8: string
  readonly platform: string
  readonly cpu: string
  readonly cores: number
  /** Worker threads of a server or proxy that is not told otherwise. */
  readonly workers: number
  readonly core: CoreFacts
  readonly udp: UdpFacts
  readonly data: DataFacts
  readonly findings: readonly Finding[]
}

export function addDoctor(program: Command): void {
  dataOption(program.command('doctor'))
    .description('check what this machine gives a node: the core, UDP, the data directory, the clock; changes nothing')
    .option('--json', 'print everything as one JSON object')
    .addHelpText(
      'after',
      `
Ends with 0 unless something makes running impossible; warnings do not count.

Example:
  splitcast doctor --data ~/cast`,
    )
    .action(async (options: Options) => {
      const diagnosis = await diagnose(dataOf(options))
      if (options.json) await printJson(diagnosis)
      else await print(describe(diagnosis))
      const broken = diagnosis.findings.some(({ level }) => level === 'problem')
      process.exitCode = broken ? exitCodes.failure : exitCodes.ok
    })
}

async function diagnose(path: string): Promise<Diagnosis> {
  // The core last: it keeps the thread busy, and the others wait for answers.
  const [udp, data] = await Promise.all([examineUdp(), examineData(path)])
  const core = await examineCore()
  return {
    version: ownVersion(),
    node: process.version,
    v8: process.versions.v8,
    platform: `${platform()} ${arch()} ${release()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    workers: threadCount(undefined),
    core: core.facts,
    udp: udp.facts,
    data: data.facts,
    findings: [...core.findings, ...udp.findings, ...data.findings],
  }
}

function describe(diagnosis: Diagnosis): string {
  const { version, node, v8, cpu, cores, workers, core, udp, data, findings } = diagnosis
  const rows = [
    ['splitcast', version],
    ['node', `${node}, V8 ${v8}`],
    ['machine', `${diagnosis.platform}, ${cpu}`],
    ['cores', `${cores}, so ${counted(workers, 'worker')} by default`],
    ['core', coreText(core)],
    [
      'speed',
      core.splitUsPerCopy === null
        ? 'not measured'
        : `${core.splitUsPerCopy} us a copy to split a message of 1,024 bytes into 16`,
    ],
    ['UDP', `IPv4 ${yesNo(udp.ipv4)}, IPv6 ${yesNo(udp.ipv6)}`],
    ['buffers', bufferText(udp)],
    ['data', dataText(data)],
    ['clock', clockText(data)],
  ]
  const advice = findings.map(({ level, text }) => `${level}: ${printable(text)}`)
  return [columns(rows), '', ...(advice.length > 0 ? advice : ['all is well'])].join('\n')
}

function coreText({ build, buildReason, relaxedSimd }: CoreFacts): string {
  return `${build === null ? 'does not start' : `${build}: ${buildReason}`}; relaxed SIMD ${yesNo(relaxedSimd)}`
}

function bufferText({ wantedBufferBytes, receiveBufferBytes, sendBufferBytes }: UdpFacts): string {
  if (wantedBufferBytes === null || receiveBufferBytes === null || sendBufferBytes === null) return 'none'
  const granted = `${kibibytes(receiveBufferBytes)} to receive, ${kibibytes(sendBufferBytes)} to send`
  return `${granted}, where ${kibibytes(wantedBufferBytes)} were asked for`
}

function dataText(data: DataFacts): string {
  const { path, exists, kind, running, writable, freeBytes } = data
  const owner = kind === null ? 'no node yet' : `${kind}, ${running ? 'running' : 'not running'}`
  const access = [
    ...(data.private === null ? [] : [data.private ? 'private' : 'open to others']),
    writable ? 'writable' : 'not writable',
    ...(freeBytes === null ? [] : [`${(freeBytes / 2 ** 30).toFixed(1)} GiB free`]),
  ]
  return `${printable(path)}: ${exists ? owner : 'not there yet'}; ${access.join(', ')}`
}

function clockText({ now, directoryValidUntil }: DataFacts): string {
  return directoryValidUntil === null ? now : `${now}, directory valid until ${directoryValidUntil}`
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no'
}
