/** What the network benches and their child processes say to each other (src/cli/hosting). */
import type { FloorShape, Floors, SplitMemory } from './floors.js'

/** CPU time of a process so far, in all its threads, and the wall clock, both in microseconds. */
export interface Meter {
  readonly cpuUs: number
  readonly wallUs: number
}

/** A message as an application got it. */
export interface Delivery {
  readonly messageId: string
  /** Unix milliseconds with fractions, comparable between the processes of one machine. */
  readonly at: number
}

export type Call =
  | { readonly call: 'meter' }
  /** Speaks the link as CS does, lists whoever asks, answers for copies, stores nothing. */
  | { readonly call: 'openSink' }
  | { readonly call: 'openServer'; readonly data: string; readonly listen: string; readonly workers: number }
  | {
      readonly call: 'openProxy'
      readonly data: string
      readonly network: string
      readonly listen: string
      readonly meanWaitMs: number
      readonly meanForwardWaitMs: number
      readonly workers: number
    }
  | { readonly call: 'openDevices'; readonly data: readonly string[]; readonly network: string }
  /** In the process of the sink: makes requests for the proxy that it lists, as S seals them and P1 would hand them on. */
  | {
      readonly call: 'makeRequests'
      readonly requests: number
      readonly copies: number
      readonly contentBytes: number
    }
  | { readonly call: 'feed' }
  /** In the process of a proxy: answered once CS has answered for so many copies more than at the last such call. */
  | { readonly call: 'answered'; readonly moreCopies: number }
  /** In the process of the sender: answered with the moment of the call and the message's id once P1 has it. */
  /** To all, or directly to the member of that hex id. */
  | { readonly call: 'send'; readonly body: Uint8Array; readonly to?: string }
  | { readonly call: 'memberId' }
  | { readonly call: 'directoryProxies' }
  | { readonly call: 'openIdleDevices'; readonly network: string; readonly count: number }
  /** Attacks the server and all its proxies until the process ends. */
  | { readonly call: 'attack'; readonly network: string; readonly packetsPerSecond: number }
  /** In the process that attacks: packets sent so far, by kind. */
  | { readonly call: 'attacked' }
  /** In the process of the server or of a proxy: drops so far, by code. */
  | { readonly call: 'drops' }
  /** In the process of the server. */
  | { readonly call: 'devicesConnected' }
  /** Forgets deliveries told before. */
  | { readonly call: 'deliveries' }
  | { readonly call: 'floors'; readonly shape: FloorShape; readonly port: number }
  /** A socket that takes datagrams and drops them. */
  | { readonly call: 'openDrain' }
  /** With --expose-gc: bytes in use, after garbage was collected where that is asked for. */
  | { readonly call: 'memory'; readonly collect: boolean }
  /** With --expose-gc: splits one request as a whole and holds all its copies. */
  | { readonly call: 'splitMemory'; readonly copies: number; readonly contentBytes: number }

export interface Results {
  meter: Meter
  openSink: { readonly card: string }
  openServer: { readonly card: string }
  openProxy: undefined
  openDevices: undefined
  makeRequests: undefined
  feed: undefined
  answered: { readonly meter: Meter; readonly sentDatagrams: number; readonly receivedDatagrams: number }
  send: Delivery
  memberId: string
  directoryProxies: number
  openIdleDevices: undefined
  devicesConnected: number
  attack: undefined
  attacked: Readonly<Record<string, number>>
  drops: Readonly<Record<string, number>>
  deliveries: readonly Delivery[]
  floors: Floors
  openDrain: { readonly port: number }
  memory: Memory
  splitMemory: SplitMemory
}

export interface Memory {
  readonly heapBytes: number
  /** Of byte strings, which stand beside the heap. */
  readonly outsideBytes: number
  /** Of the whole process, whatever for. */
  readonly residentBytes: number
}
