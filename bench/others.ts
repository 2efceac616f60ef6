/**
 * What other designs spend on each member of a group, as their own sources say. None of these was measured here, and none
 * does quite the same job: `covers` says what the bytes are for.
 */

export interface OtherScheme {
  readonly scheme: string
  readonly bytesPerMember: number
  readonly covers: string
  readonly source: string
  readonly url: string
}

export const otherSchemes: readonly OtherScheme[] = [
  {
    scheme: 'SSB envelope',
    bytesPerMember: 32,
    covers: 'a key slot; at most 16 of them in private groups',
    source: 'ssbc/envelope-spec, README, key_slot',
    url: 'https://github.com/ssbc/envelope-spec',
  },
  {
    scheme: 'PURB',
    bytesPerMember: 36,
    covers: 'an entry point; 40 in the newer example there, whose entry points have two offsets',
    source: 'dedis/purb, README, dump of an encoded blob',
    url: 'https://github.com/dedis/purb',
  },
  {
    scheme: 'mKyber',
    bytesPerMember: 48,
    covers: 'a key, post-quantum: a sixteenth of the 768 bytes of Kyber512; 257 in the older cryptojedi/kyber-mkem',
    source: 'PQShield, How Multi-Recipient KEMs can help the Deployment of Post-Quantum Cryptography, abstract',
    url: 'https://pqshield.com/publications/how-multi-recipient-kems-can-help-the-deployment-of-post-quantum-cryptography',
  },
  {
    scheme: 'Signal sealed sender v2',
    bytesPerMember: 68,
    covers: 'a member with one device: service id 17, device and registration 3, key 32, tag 16',
    source: 'signalapp/libsignal, sealed_sender_multi_recipient_encrypt',
    url: 'https://github.com/signalapp/libsignal/blob/main/rust/protocol/src/sealed_sender.rs',
  },
  {
    scheme: 'Katzenpost, header alone',
    bytesPerMember: 476,
    covers: 'a Sphinx header of a packet of 3,082 bytes, one packet a member',
    source: 'Katzenpost admin guide, SphinxGeometry',
    url: 'https://katzenpost.network/docs/admin_guide/',
  },
  {
    scheme: 'Nym, whole packet',
    bytesPerMember: 2413,
    covers: 'a regular Sphinx packet, its 2,048 bytes of content included, one packet a member',
    source: 'nymtech/nym, packet_sizes.rs, and nymtech/sphinx: header 348, 17 more, 2,048 of content',
    url: 'https://github.com/nymtech/nym/blob/develop/common/nymsphinx/params/src/packet_sizes.rs',
  },
]
