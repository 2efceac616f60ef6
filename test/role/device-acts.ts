/**
 * What the tests of devices have a device do again and again.
 */
import { utf8 } from '../../src/base/bytes.js'
import type { DeviceResult } from '../../src/role/device.js'
import type { Order, TestDevice } from './device-lab.js'

/** The result of a command that succeeds. */
export function result<T extends DeviceResult['type']>(device: TestDevice, order: Order, type: T) {
  const answer = device.answer(order)
  if (answer.type !== 'done' || answer.result.type !== type) throw new Error(JSON.stringify(answer))
  return answer.result as Extract<DeviceResult, { type: T }>
}

export function send(group: string, text: string): Order {
  return { type: 'send', group, body: utf8(text) }
}

export function connected(device: TestDevice): TestDevice {
  device.lab.network.runUntil(() => device.node.machine.status().directory !== undefined, 5_000)
  return device
}
