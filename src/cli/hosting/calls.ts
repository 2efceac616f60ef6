/**
 * What a parent and the child processes that host its nodes say to each other: numbered calls that are answered once, and
 * events that come on their own. Each program declares its calls as a union and its results as a table beside it.
 */

export interface AnyCall {
  readonly call: string
}

export type CallOf<C extends AnyCall, N extends C['call']> = Extract<C, { readonly call: N }>

/** What each call of a program is answered with. */
export type ResultsOf<C extends AnyCall> = { readonly [N in C['call']]: unknown }

export type ToHost<C extends AnyCall> = { readonly number: number } & C

export type FromHost<E> =
  | { readonly type: 'answer'; readonly number: number; readonly result: unknown }
  | { readonly type: 'refusal'; readonly number: number; readonly code: string; readonly message: string }
  | { readonly type: 'event'; readonly event: E }
