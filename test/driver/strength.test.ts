/** What passes as a passphrase: strength as estimated, and the reason that is given where it is too little. */
import t from 'tap'
import { generatePassphrase } from '../../src/cli/passphrase.js'
import { checkStrength } from '../../src/driver/strength.js'

const WEAK = [
  { text: 'password1234', reason: /commonly used password/ },
  { text: 'abababababababababab', reason: /[Rr]epeated/ },
  { text: 'asdfghjklqwertyuiop', reason: /guess/ },
  { text: 'Margaret Smith 1987', reason: /guess/ },
  { text: 'correcthorsebatterystaple', reason: /10\^12 guesses find it, and 10\^14 are asked for/ },
]

t.test('a weak passphrase is refused with a reason and with what to do', async (t) => {
  for (const { text, reason } of WEAK) {
    const refusal = await checkStrength(text).then(
      () => t.fail(text),
      (error: unknown) => error as { code: string; message: string },
    )
    t.match(refusal, { code: 'PASSPHRASE_WEAK', message: reason }, text)
    t.match(refusal, { message: /splitcast passphrase/ })
  }
})

t.test('words that belong to the group count for nothing', async (t) => {
  const passphrase = 'Zwetschkenknoedel Xaverl'
  await checkStrength(passphrase)
  await t.rejects(checkStrength(passphrase, ['Zwetschkenknoedel', 'Xaverl']), { code: 'PASSPHRASE_WEAK' })
})

t.test('generated passphrases and other strong ones pass', async (t) => {
  for (let count = 0; count < 50; count++) await checkStrength(generatePassphrase())
  await checkStrength('rG8mW2-xK5tYv1')
  await checkStrength('vier blaue Igel tanzen um Mitternacht')
  t.pass('none was refused')
})
