/*
 * P2's work with native libsodium, for `npm run bench -- split`, and its multiplications, for `primitives`.
 * Reads a request on standard input: number of copies and bytes of the content (4 bytes each, little endian), R, K2, B',
 * G', C (32 bytes each), slots, content. Then, by its argument:
 *   copies        writes the sealed copies to standard output
 *   split N       splits for N milliseconds and prints nanoseconds a message
 *   base N, multiply N   the same for one multiplication with encoding (the request gives key and point)
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { POINT = 32, WIDE = 64, SLOT = 10, TAG = 16 };

static const unsigned char LABEL_OFFSET[] = "splitcast/ts";
static const unsigned char LABEL_SCALAR[] = "splitcast/es";
static const unsigned char LABEL_SCRAMBLE[] = "splitcast/sc";
static const unsigned char LABEL_COPY[] = "splitcast/cp";

struct request {
  unsigned copies, content_bytes;
  unsigned char ephemeral[POINT], key[POINT], base[POINT], group[POINT], server[POINT];
  unsigned char *slots, *text;
  size_t text_bytes, copy_bytes, sealed_bytes;
};

/* Buffers that live as long as the program, so that no message waits for memory. */
struct work {
  unsigned char *offsets, *scalars, *outer, *all;
};

static void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static void *allocate(size_t bytes) {
  void *memory = calloc(1, bytes);
  if (memory == NULL) fail("out of memory");
  return memory;
}

static void take(void *into, size_t bytes) {
  if (fread(into, 1, bytes, stdin) != bytes) fail("the request ends early");
}

static unsigned take_number(void) {
  unsigned char b[4];
  take(b, sizeof b);
  return b[0] | b[1] << 8 | b[2] << 16 | (unsigned)b[3] << 24;
}

static void read_request(struct request *r) {
  r->copies = take_number();
  r->content_bytes = take_number();
  take(r->ephemeral, POINT);
  take(r->key, POINT);
  take(r->base, POINT);
  take(r->group, POINT);
  take(r->server, POINT);
  r->slots = allocate((size_t)SLOT * r->copies);
  take(r->slots, (size_t)SLOT * r->copies);
  r->text_bytes = 1 + (size_t)r->content_bytes;
  r->text = allocate(r->text_bytes);
  take(r->text + 1, r->content_bytes);
  r->copy_bytes = POINT + SLOT + POINT + r->text_bytes + TAG;
  r->sealed_bytes = POINT + r->copy_bytes + TAG;
}

static void seal_key(unsigned char *key, const unsigned char *point, const unsigned char *product) {
  unsigned char both[2 * POINT];
  memcpy(both, point, POINT);
  memcpy(both + POINT, product, POINT);
  crypto_hash_sha256(key, both, sizeof both);
}

/* Makes copy i at its place in `all` and seals it there for the server. */
static void split_one(const struct request *r, const struct work *w, unsigned i) {
  unsigned char scalar[POINT], offset[POINT], product[POINT], key[POINT];
  unsigned char *sealed = w->all + r->sealed_bytes * i;
  unsigned char *copy = sealed + POINT;
  unsigned char *payload = copy + POINT + SLOT;

  crypto_core_ristretto255_scalar_reduce(scalar, w->offsets + (size_t)WIDE * i);
  if (crypto_scalarmult_ristretto255_base(offset, scalar) != 0) fail("offset");
  if (crypto_core_ristretto255_add(copy, r->ephemeral, offset) != 0) fail("ephemeral");
  memcpy(copy + POINT, r->slots + (size_t)SLOT * i, SLOT);

  crypto_core_ristretto255_scalar_reduce(scalar, w->scalars + (size_t)WIDE * i);
  if (crypto_scalarmult_ristretto255(payload, scalar, r->base) != 0) fail("one-time base");
  if (crypto_scalarmult_ristretto255(product, scalar, r->group) != 0) fail("one-time key");
  seal_key(key, payload, product);
  crypto_aead_chacha20poly1305_ietf_encrypt(payload + POINT, NULL, r->text, r->text_bytes, NULL, 0, NULL,
                                            LABEL_SCRAMBLE, key);

  crypto_core_ristretto255_scalar_reduce(scalar, w->outer + (size_t)WIDE * i);
  if (crypto_scalarmult_ristretto255_base(sealed, scalar) != 0) fail("outer point");
  if (crypto_scalarmult_ristretto255(product, scalar, r->server) != 0) fail("server key");
  seal_key(key, sealed, product);
  crypto_aead_chacha20poly1305_ietf_encrypt(copy, NULL, copy, r->copy_bytes, NULL, 0, NULL, LABEL_COPY, key);
}

static void split_all(const struct request *r, const struct work *w) {
  size_t wide = (size_t)WIDE * r->copies;
  crypto_stream_chacha20_ietf(w->offsets, wide, LABEL_OFFSET, r->key);
  crypto_stream_chacha20_ietf(w->scalars, wide, LABEL_SCALAR, r->key);
  randombytes_buf(w->outer, wide);
  for (unsigned i = 0; i < r->copies; i++) split_one(r, w, i);
}

static void run(const char *what, struct request *r, const struct work *w) {
  if (strcmp(what, "split") == 0) split_all(r, w);
  /* Each result is the next input, so that no run can be left out. */
  else if (strcmp(what, "base") == 0) crypto_scalarmult_ristretto255_base(r->base, r->key), r->key[0] ^= r->base[1];
  else if (crypto_scalarmult_ristretto255(r->base, r->key, r->base) != 0) fail("multiply");
}

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
  struct request r;
  if (argc < 2 || sodium_init() < 0) return 1;
  read_request(&r);
  size_t wide = (size_t)WIDE * r.copies;
  struct work w = {allocate(wide), allocate(wide), allocate(wide), allocate(r.sealed_bytes * r.copies)};
  if (strcmp(argv[1], "copies") == 0) {
    split_all(&r, &w);
    return fwrite(w.all, 1, r.sealed_bytes * r.copies, stdout) == r.sealed_bytes * r.copies ? 0 : 1;
  }
  double for_ns = argc > 2 ? atof(argv[2]) * 1e6 : 100e6;
  /* The first run touches all memory, and is not counted. */
  run(argv[1], &r, &w);
  double start = now_ns(), spent;
  long runs = 0;
  do {
    run(argv[1], &r, &w);
    runs++;
  } while ((spent = now_ns() - start) < for_ns);
  printf("%.1f\n", spent / runs);
  return 0;
}
