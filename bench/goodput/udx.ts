/** udx-native: a reliable stream over UDP in C, with BBR, no handshake and no encryption. Messages are so many bytes of it. */
import { randomBytes } from 'node:crypto'
import UDX from 'udx-native'
import { type End, moment, type Transfer } from './contestant.js'

const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024

export async function openUdx(): Promise<End> {
  const udx = new UDX()
  const socket = udx.createSocket()
  socket.bind(0, '127.0.0.1')
  // As ours asks for: a burst that the kernel drops would tell nothing about the link.
  socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
  const streamOf = ({ round, peer }: Transfer, ownId: number, peerId: number) => {
    const stream = udx.createStream(2 * round + ownId)
    // A link that was ended from the other side is done: what it was measured by has happened.
    stream.on('error', () => undefined)
    stream.connect(socket, 2 * round + peerId, peer.port, peer.host)
    return stream
  }
  return {
    address: socket.address(),
    linkKey: undefined,
    receive: (transfer) => {
      const stream = streamOf(transfer, 2, 1)
      let missingBytes = transfer.messages * transfer.messageBytes
      return new Promise((resolve) => {
        stream.on('data', (bytes: Uint8Array) => {
          missingBytes -= bytes.length
          if (missingBytes === 0) resolve(moment())
        })
        stream.on('end', () => stream.end())
      })
    },
    send: async (transfer) => {
      const stream = streamOf(transfer, 1, 2)
      const message = randomBytes(transfer.messageBytes)
      const startedAt = moment()
      for (let sent = 0; sent < transfer.messages; sent++) stream.write(message)
      stream.end()
      stream.resume()
      return startedAt
    },
    close: () => socket.close(),
  }
}
