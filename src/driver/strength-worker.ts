/** The thread that `strength.ts` starts: the word lists are read once, then one estimate a message. */
import { parentPort } from 'node:worker_threads'
import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import { adjacencyGraphs, dictionary as common } from '@zxcvbn-ts/language-common'
import { dictionary as english, translations } from '@zxcvbn-ts/language-en'
import type { StrengthReply, StrengthRequest } from './strength.js'

const estimator = new ZxcvbnFactory({ dictionary: { ...common, ...english }, graphs: adjacencyGraphs, translations })

parentPort?.on('message', ({ number, text, related }: StrengthRequest) => {
  const { guessesLog10, feedback } = estimator.check(text, [...related])
  const reply: StrengthReply = { number, guessesLog10, reason: feedback.warning ?? undefined }
  parentPort?.postMessage(reply)
})
