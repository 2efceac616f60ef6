/** Plays the seeds that it is told, one after the other, in a thread of its own. */
import { parentPort } from 'node:worker_threads'
import { drawScenario } from './scenario/families.js'
import { play } from './scenario/run.js'

export interface Order {
  readonly seed: number
  readonly family: string | undefined
}

parentPort?.on('message', ({ seed, family }: Order) => {
  parentPort?.postMessage(play(drawScenario(seed, family)))
})
