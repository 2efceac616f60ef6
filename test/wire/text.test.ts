/**
 * Network cards, device addresses and HOST:PORT: what people paste and mistype.
 */
import { bech32, bech32m } from '@scure/base'
import t from 'tap'
import { type IdentityKey, identityKey, toHex } from '../../src/base/bytes.js'
import { limits } from '../../src/base/limits.js'
import { deviceAddress, networkAddress, networkCard } from '../../src/wire/directory.js'
import { formatIp, normalHost, parseIp } from '../../src/wire/host.js'
import {
  addressText,
  formatDeviceAddress,
  formatEndpoint,
  formatNetworkCard,
  parseDeviceAddress,
  parseEndpoint,
  parseNetworkCard,
} from '../../src/wire/text.js'
import { seed, seeded } from '../base/seeded.js'

t.comment(`SEED=${seed}`)
const random = seeded()
const alphabet = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'

const address = { identityKey: identityKey(random(32)), accessCode: random(2) }
const card = {
  identityKey: identityKey(random(32)),
  addresses: ['192.0.2.7:7000', '[2001:db8::7]:7000', 'server.example.org:443'].map((text) => parseEndpoint(text)),
}
const texts = [
  {
    name: 'network card',
    text: formatNetworkCard(card),
    prefix: 'splitcast1',
    parse: (text: string) => toHex(networkCard.encode(parseNetworkCard(text))),
    code: 'NETWORK_CARD_MALFORMED',
    bytes: networkCard.encode({ version: 1, ...card }),
  },
  {
    name: 'device address',
    text: formatDeviceAddress(address),
    prefix: 'cast1',
    parse: (text: string) => toHex(deviceAddress.encode(parseDeviceAddress(text))),
    code: 'ADDRESS_MALFORMED',
    bytes: deviceAddress.encode({ version: 1, ...address }),
  },
] as const

for (const { name, text, prefix, parse, code, bytes } of texts) {
  const human = prefix.slice(0, -1)
  const made = (content: Uint8Array) => bech32m.encode(human, bech32m.toWords(content), false)

  t.test(`a ${name} goes through text`, async (t) => {
    t.match(text, new RegExp(`^${prefix}[${alphabet}]+$`), 'one line that a double click selects')
    t.equal(parse(text), toHex(bytes))
    t.equal(parse(` \t${text}\r\n`), toHex(bytes), 'white space around it')
    t.equal(parse(text.toUpperCase()), toHex(bytes), 'upper case')
  })

  t.test(`a mistyped ${name} is refused, whichever character it is`, async (t) => {
    const accepted: string[] = []
    for (let i = 0; i < text.length; i++) {
      for (const wrong of `${alphabet}1bio `) {
        if (wrong === text[i]) continue
        const mistyped = text.slice(0, i) + wrong + text.slice(i + 1)
        // White space at an end is none of the text; what is left lacks a character.
        if (!refuses(parse, mistyped, code)) accepted.push(mistyped)
      }
    }
    t.same(accepted, [])
    const short = Array.from({ length: text.length }, (_, i) => text.slice(0, i) + text.slice(i + 1))
    t.same(
      short.filter((each) => each !== text && !refuses(parse, each, code)),
      [],
      'a character left out',
    )
    t.ok(refuses(parse, '', code) && refuses(parse, prefix, code), 'next to nothing')
    t.throws(() => parse(`${text.slice(0, -1)}${text.endsWith('q') ? 'p' : 'q'}`), { code, message: /mistyped/ })
    t.ok(refuses(parse, text.slice(0, 20) + text.slice(20).toUpperCase(), code), 'mixed case')
  })

  t.test(`what is no ${name} is refused with what to do`, async (t) => {
    const other = texts.find((each) => each.name !== name)
    t.throws(() => parse(other?.text ?? ''), { code, message: new RegExp(`this is a ${other?.name}`) })
    t.throws(() => parse('hello'), { code, message: new RegExp(`begins with ${prefix}`) })
    t.throws(() => parse(bech32.encode(human, bech32.toWords(bytes), false)), { code }, 'the older checksum')
    const newer = Uint8Array.from(bytes)
    newer[0] = 2
    t.throws(() => parse(made(newer)), { code, message: /newer version.*update/ })
    t.throws(
      () => parse(made(Uint8Array.from([...newer, 1, 2, 3]))),
      { code, message: /newer version/ },
      'of any length',
    )
    newer[0] = 0
    t.throws(() => parse(made(newer)), { code, message: /damaged/ }, 'version 0')
    t.throws(() => parse(made(bytes.subarray(0, -1))), { code, message: /damaged/ }, 'too short')
    t.throws(() => parse(made(Uint8Array.from([...bytes, 0]))), { code, message: /damaged/ }, 'too long')
    t.throws(() => parse(made(new Uint8Array())), { code, message: /damaged/ }, 'empty')
  })
}

function refuses(parse: (text: string) => unknown, text: string, code: string): boolean {
  try {
    parse(text)
    return false
  } catch (error) {
    return (error as { code?: string }).code === code
  }
}

t.test('a card holds as many addresses as its limit, and at least one', async (t) => {
  const at = (count: number) => ({
    ...card,
    addresses: Array.from({ length: count }, (_, i) => parseEndpoint(`h${i}.example:1`)),
  })
  t.equal(parseNetworkCard(formatNetworkCard(at(limits.addresses))).addresses.length, limits.addresses)
  t.throws(() => formatNetworkCard(at(limits.addresses + 1)), /assertion/)
  t.throws(() => formatNetworkCard(at(0)), /assertion/)
})

t.test('endpoints are read in the forms people write them, and have one form', async (t) => {
  for (const [text, kind, canonical] of [
    ['127.0.0.1:7000', 'ipv4', '127.0.0.1:7000'],
    [' 192.0.2.1:65535\n', 'ipv4', '192.0.2.1:65535'],
    ['[::1]:7000', 'ipv6', '[::1]:7000'],
    ['[2001:DB8:0:0:0:0:0:1]:1', 'ipv6', '[2001:db8::1]:1'],
    ['[::ffff:192.0.2.1]:7000', 'ipv4', '192.0.2.1:7000'],
    ['localhost:7000', 'dns', 'localhost:7000'],
    ['Server.Example.ORG:007000', undefined, ''],
    ['Server.Example.ORG:07000', 'dns', 'server.example.org:7000'],
  ] as const) {
    if (kind === undefined) t.throws(() => parseEndpoint(text), { code: 'ENDPOINT_MALFORMED' }, text)
    else {
      const parsed = parseEndpoint(text)
      t.equal(parsed.kind, kind, text)
      t.equal(formatEndpoint(parsed), canonical, text)
      t.ok(networkAddress.parse(networkAddress.encode(parsed)).ok, 'stands on the wire')
    }
  }
  t.throws(() => parseEndpoint('127.0.0.1:0'), { code: 'ENDPOINT_MALFORMED', message: /no port/ })
  t.equal(parseEndpoint('127.0.0.1:0', { anyPort: true }).port, 0, 'any port, for listening')
  for (const text of ['0.0.0.0:7', '[::]:7', '[::ffff:0.0.0.0]:7']) {
    t.throws(() => parseEndpoint(text), { code: 'ENDPOINT_MALFORMED', message: /every address/ })
    t.equal(parseEndpoint(text, { anyPort: true }).port, 7, 'every address, for listening')
  }
  t.throws(() => parseEndpoint('127.0.0.1:65536', { anyPort: true }), {
    code: 'ENDPOINT_MALFORMED',
    message: /no port/,
  })
})

t.test('what is no endpoint is refused with an example, on one line', async (t) => {
  const bad = [
    '',
    ':',
    '7000',
    ':7000',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:x',
    '127.0.0.1:-1',
    '::1:7000',
    '[::1]',
    '[::1]7000',
  ]
  bad.push(
    '[127.0.0.1]:1',
    '[]:1',
    '[host]:1',
    '[fe80::1%eth0]:1',
    '256.0.0.1:1',
    '1.2.3:1',
    '01.2.3.4:1',
    'a b:1',
    'http://a:1',
    '-a:1',
    'a:1:1',
  )
  bad.push('\u001b[2J:1', 'x'.repeat(10_000), `${'a.'.repeat(126)}bc:1`)
  for (const text of bad) {
    t.throws(
      () => parseEndpoint(text),
      { code: 'ENDPOINT_MALFORMED', message: /^[ -~]{1,250}$/ },
      JSON.stringify(text.slice(0, 30)),
    )
  }
})

t.test('IPv6 addresses are written as RFC 5952 says', async (t) => {
  for (const [text, canonical] of [
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::AAAA', '2001:db8::aaaa'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1::', '1::'],
    ['::1', '::1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ] as const) {
    t.equal(formatIp(parseIp(text) as Uint8Array), canonical, text)
    t.equal(normalHost(text), canonical)
  }
  const bad = [
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '1::2::3',
    '12345::',
    'g::',
    ':1',
    '1:',
    '1.2.3.4::',
    '::1.2.3',
    '::1.2.3.4:5',
    '::1%1',
  ]
  for (const text of bad) t.equal(parseIp(text), undefined, text)
  for (let i = 0; i < 300; i++) {
    // Bytes with many zeros, so that runs of zero groups come up everywhere.
    const host = random(16).map((byte) => (byte < 180 ? 0 : byte))
    t.equal(toHex(parseIp(formatIp(host)) as Uint8Array), toHex(host), formatIp(host))
  }
})

t.test('an IPv4 address seen through a dual-stack socket is the IPv4 address', async (t) => {
  t.equal(normalHost('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(normalHost('::FFFF:c000:201'), '192.0.2.1')
  t.equal(normalHost('192.0.2.1'), '192.0.2.1')
  t.equal(normalHost('localhost'), 'localhost')
  t.equal(normalHost('fe80::1%eth0'), 'fe80::1%eth0', 'a zone is of this host alone and stays')
})

t.test('the host of an address as text', async (t) => {
  t.equal(addressText(parseEndpoint('[2001:db8::1]:1')), '2001:db8::1')
  t.equal(addressText(parseEndpoint('a.example:1')), 'a.example')
})

t.test('a card keeps the brand of its key', async (t) => {
  const key: IdentityKey = parseNetworkCard(formatNetworkCard(card)).identityKey
  t.equal(toHex(key), toHex(card.identityKey))
})
