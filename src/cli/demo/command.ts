/** `splitcast demo`: a whole network on loopback, one group, real messages, and everything promised checked. */
import { Command, Option } from 'commander'
import { limits } from '../../base/limits.js'
import { exitCodes } from '../exit-codes.js'
import { oneOf, paddingModes, wholeNumber } from '../options.js'
import { print, printJson, tell } from '../output.js'
import { conditionOptions } from '../relay/options.js'
import { type DemoOptions, demoOptions, MAX_MEMBERS, MAX_MESSAGES, type RawDemoOptions } from './options.js'
import { commandsFor, printResult } from './print.js'
import { progressReporter } from './progress.js'
import { runDemo } from './run.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export function demoCommand(): Command {
  const command = new Command('demo')
    .description('run a whole network on this machine and send to a group over it')
    .option('--members <n>', `members of the group, the sender among them`, wholeNumber('--members', 2, MAX_MEMBERS), 8)
    .option('--messages <m>', 'messages to send', wholeNumber('--messages', 1, MAX_MESSAGES), 1)
    .option('--file <path>', 'file to send', 'README.md')
    .option('--size <bytes>', 'send random bytes instead of a file', wholeNumber('--size', 0, limits.bodyBytes))
    .option('--padding <mode>', paddingModes.join(', '), oneOf('--padding', paddingModes), 'classes')
    .option('--json', 'print one JSON object on standard output and nothing else')
    .option('--keep', 'leave the network running until Ctrl-C, and print the commands to talk to it')
    .option('--debug', 'show where an error comes from')
  return conditionOptions(command)
    .addOption(new Option('--plant-leak', "let a proxy claim to have read the sender's id").hideHelp())
    .addHelpText(
      'after',
      `
Ends with 0 only if every member got every message once and verified, and no
role read more than it may.

Examples:
  splitcast demo --members 100 --size 1024
  splitcast demo --loss 0.3 --delay 20`,
    )
    .action(async (raw: RawDemoOptions) => {
      process.exitCode = await demo(demoOptions(raw))
    })
}

async function demo(options: DemoOptions): Promise<number> {
  const interrupted = new AbortController()
  const interrupt = () => interrupted.abort()
  for (const signal of SIGNALS) process.on(signal, interrupt)
  const progress = progressReporter(options)
  let holds = false
  try {
    await runDemo(options, progress.report, interrupted.signal, async (result, world) => {
      progress.end()
      holds = result.faults.length === 0
      if (options.json) await printJson(result)
      else await print(printResult(result))
      if (!options.keep) return
      await world.handOver()
      await print(commandsFor(world))
      await new Promise(() => undefined)
    })
  } catch (error) {
    // Interrupting a network that was kept is how it is meant to end.
    if (!(options.keep && holds && interrupted.signal.aborted)) throw error
  } finally {
    progress.end()
    for (const signal of SIGNALS) process.off(signal, interrupt)
  }
  if (!holds && options.json) tell('splitcast: the demo ran, but not everything holds; see "faults"')
  return holds ? exitCodes.ok : exitCodes.failure
}
