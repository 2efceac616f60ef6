/*
 * P2's and CS's work with native libsodium, for `npm run bench -- split` and `open`, and its multiplications, for
 * `primitives`. All numbers read are 4 bytes, little endian. By its first argument it reads on standard input
 *   a request: number of copies, bytes of the content, R, K2, B', G', C (32 bytes each), slots, content, and then
 *     copies        writes the sealed copies to standard output
 *     split N       splits for N milliseconds and prints nanoseconds a message, the lower quartile of slices
 *     base N, multiply N   the same for one multiplication with encoding (the request gives key and point)
 *   or a batch: number of sealed copies, bytes of each, number of windows, windows, secret (32 bytes), copies, and then
 *     opened        writes for each its plaintext, what its slot says under each window, and its receipt key
 *     open N        opens for N milliseconds and prints nanoseconds a batch
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How a measurement is cut, as in measure.ts. */
enum { SLICES = 8, LEAST_SLICES = 3 };
enum { POINT = 32, WIDE = 64, SLOT = 10, HALF = 5, TAG = 16, NONCE = 12 };

static const unsigned char LABEL_OFFSET[] = "splitcast/ts";
static const unsigned char LABEL_SCALAR[] = "splitcast/es";
static const unsigned char LABEL_SCRAMBLE[] = "splitcast/sc";
static const unsigned char LABEL_COPY[] = "splitcast/cp";
static const unsigned char LABEL_SLOT_KEYS[] = "splitcast/sk";

struct request {
  unsigned copies, content_bytes;
  unsigned char ephemeral[POINT], key[POINT], base[POINT], group[POINT], server[POINT];
  unsigned char *slots, *text;
  size_t text_bytes, copy_bytes, sealed_bytes;
};

/* Buffers that live as long as the program, so that no message waits for memory. */
struct work {
  unsigned char *offsets, *scalars, *outer, *all;
  unsigned char twice[POINT]; /* [2]R */
};

/* What CS opens at once, and where it puts what it finds. */
struct batch {
  unsigned copies, sealed_bytes, windows;
  unsigned *window;
  unsigned char secret[POINT];
  unsigned char *sealed, *opened;
  size_t copy_bytes, opened_bytes;
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

static void read_batch(struct batch *b) {
  b->copies = take_number();
  b->sealed_bytes = take_number();
  b->windows = take_number();
  b->window = allocate(sizeof *b->window * b->windows);
  for (unsigned w = 0; w < b->windows; w++) b->window[w] = take_number();
  take(b->secret, POINT);
  b->sealed = allocate((size_t)b->sealed_bytes * b->copies);
  take(b->sealed, (size_t)b->sealed_bytes * b->copies);
  b->copy_bytes = b->sealed_bytes - POINT - TAG;
  b->opened_bytes = b->copy_bytes + (size_t)SLOT * b->windows + POINT;
  b->opened = allocate(b->opened_bytes * b->copies);
}

static void seal_key(unsigned char *key, const unsigned char *point, const unsigned char *product) {
  unsigned char both[2 * POINT];
  memcpy(both, point, POINT);
  memcpy(both + POINT, product, POINT);
  crypto_hash_sha256(key, both, sizeof both);
}

/* PROTOCOL.md section 4 has scalars of copies even. */
static void doubled_scalar(unsigned char *scalar, const unsigned char *wide) {
  crypto_core_ristretto255_scalar_reduce(scalar, wide);
  crypto_core_ristretto255_scalar_add(scalar, scalar, scalar);
}

/* Makes copy i at its place in `all` and seals it there for the server. */
static void split_one(const struct request *r, const struct work *w, unsigned i) {
  unsigned char scalar[POINT], offset[POINT], product[POINT], key[POINT];
  unsigned char *sealed = w->all + r->sealed_bytes * i;
  unsigned char *copy = sealed + POINT;
  unsigned char *payload = copy + POINT + SLOT;

  doubled_scalar(scalar, w->offsets + (size_t)WIDE * i);
  if (crypto_scalarmult_ristretto255_base(offset, scalar) != 0) fail("offset");
  if (crypto_core_ristretto255_add(copy, w->twice, offset) != 0) fail("ephemeral");
  memcpy(copy + POINT, r->slots + (size_t)SLOT * i, SLOT);

  doubled_scalar(scalar, w->scalars + (size_t)WIDE * i);
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

static void split_all(const struct request *r, struct work *w) {
  size_t wide = (size_t)WIDE * r->copies;
  crypto_stream_chacha20_ietf(w->offsets, wide, LABEL_OFFSET, r->key);
  crypto_stream_chacha20_ietf(w->scalars, wide, LABEL_SCALAR, r->key);
  randombytes_buf(w->outer, wide);
  if (crypto_core_ristretto255_add(w->twice, r->ephemeral, r->ephemeral) != 0) fail("ephemeral");
  for (unsigned i = 0; i < r->copies; i++) split_one(r, w, i);
}

/* Undoes the four rounds that hide a slot: PROTOCOL.md section 4. */
static void open_slot(unsigned char *recipient, const unsigned char *key, const unsigned char *slot, unsigned window,
                      size_t copy_bytes) {
  unsigned char nonce[NONCE], left[HALF], right[HALF], mixed[HALF];
  for (int i = 0; i < 4; i++) nonce[HALF + i] = (unsigned char)(window >> (24 - 8 * i));
  for (int i = 0; i < 3; i++) nonce[HALF + 4 + i] = (unsigned char)(copy_bytes >> (16 - 8 * i));
  memcpy(left, slot, HALF);
  memcpy(right, slot + HALF, HALF);
  for (unsigned round = 4; round-- > 0;) {
    memcpy(nonce, left, HALF);
    crypto_stream_chacha20_ietf_xor_ic(mixed, right, HALF, nonce, round, key);
    memcpy(right, left, HALF);
    memcpy(left, mixed, HALF);
  }
  memcpy(recipient, left, HALF);
  memcpy(recipient + HALF, right, HALF);
}

static void open_one(const struct batch *b, unsigned i) {
  unsigned char product[POINT], key[POINT], keys[2 * POINT];
  const unsigned char *sealed = b->sealed + (size_t)b->sealed_bytes * i;
  unsigned char *copy = b->opened + b->opened_bytes * i;
  unsigned char *recipients = copy + b->copy_bytes;

  if (crypto_scalarmult_ristretto255(product, b->secret, sealed) != 0) fail("outer point");
  seal_key(key, sealed, product);
  if (crypto_aead_chacha20poly1305_ietf_decrypt(copy, NULL, NULL, sealed + POINT, b->copy_bytes + TAG, NULL, 0,
                                                LABEL_COPY, key) != 0)
    fail("a copy does not open");

  if (crypto_scalarmult_ristretto255(product, b->secret, copy) != 0) fail("slot point");
  seal_key(key, copy, product);
  crypto_stream_chacha20_ietf(keys, sizeof keys, LABEL_SLOT_KEYS, key);
  for (unsigned w = 0; w < b->windows; w++)
    open_slot(recipients + (size_t)SLOT * w, keys, copy + POINT, b->window[w], b->copy_bytes);
  memcpy(recipients + (size_t)SLOT * b->windows, keys + POINT, POINT);
}

static void open_all(const struct batch *b) {
  for (unsigned i = 0; i < b->copies; i++) open_one(b, i);
}

static void run(const char *what, struct request *r, struct work *w, const struct batch *b) {
  if (strcmp(what, "split") == 0) split_all(r, w);
  else if (strcmp(what, "open") == 0) open_all(b);
  /* Each result is the next input, so that no run can be left out. */
  else if (strcmp(what, "base") == 0) crypto_scalarmult_ristretto255_base(r->base, r->key), r->key[0] ^= r->base[1];
  else if (crypto_scalarmult_ristretto255(r->base, r->key, r->base) != 0) fail("multiply");
}

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

/* Nanoseconds a run, over about so long. */
static double slice(const char *what, struct request *r, const struct work *w, const struct batch *b, double for_ns) {
  double start = now_ns(), spent;
  long runs = 0;
  do {
    run(what, r, w, b);
    runs++;
  } while ((spent = now_ns() - start) < for_ns);
  return spent / runs;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int put(const unsigned char *bytes, size_t count) { return fwrite(bytes, 1, count, stdout) == count ? 0 : 1; }

int main(int argc, char **argv) {
  struct request r = {0};
  struct work w = {0};
  struct batch b = {0};
  if (argc < 2 || sodium_init() < 0) return 1;
  const char *what = argv[1];
  if (strncmp(what, "open", 4) == 0) {
    read_batch(&b);
  } else {
    read_request(&r);
    size_t wide = (size_t)WIDE * r.copies;
    w = (struct work){allocate(wide), allocate(wide), allocate(wide), allocate(r.sealed_bytes * r.copies)};
  }
  if (strcmp(what, "opened") == 0) return open_all(&b), put(b.opened, b.opened_bytes * b.copies);
  if (strcmp(what, "copies") == 0) return split_all(&r, &w), put(w.all, r.sealed_bytes * r.copies);

  double for_ns = argc > 2 ? atof(argv[2]) * 1e6 : 100e6;
  /* The first run touches all memory, and is not counted. */
  run(what, &r, &w, &b);
  double slices[SLICES];
  unsigned count = 0;
  for (double start = now_ns(); count < SLICES && (count < LEAST_SLICES || now_ns() - start < for_ns); count++)
    slices[count] = slice(what, &r, &w, &b, for_ns / SLICES);
  qsort(slices, count, sizeof *slices, ascending);
  printf("%.1f\n", slices[count / 4]);
  return 0;
}
