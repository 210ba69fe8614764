/* SPDX-License-Identifier: Apache-2.0 */
/* The key schedule gives what RFC 8448, section 3, prints. */
#include <stdio.h>
#include <string.h>

#include "../../workloads/tls13_handshake/tls13_schedule.h"

static int bad;

static void from_hex(const char *hex, unsigned char *out)
{
    for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        *out++ = (unsigned char)byte;
}

static void check(const char *what, const unsigned char *got, size_t bytes,
                  const char *expected)
{
    char hex[2 * TLS13_HASH_BYTES + 1] = "";

    for (size_t i = 0; i < bytes; i++)
        snprintf(hex + 2 * i, 3, "%02x", got[i]);
    if (strcmp(hex, expected) == 0)
        return;
    printf("%s: %s, expected %s\n", what, hex, expected);
    bad = 1;
}

int main(void)
{
    unsigned char in[TLS13_HASH_BYTES], out[TLS13_HASH_BYTES];
    const unsigned char zeros[TLS13_HASH_BYTES] = {0};
    EVP_MAC_CTX *hmac = sy__tls13_hmac_new();

    if (hmac == NULL) {
        printf("no HMAC-SHA256 in libcrypto\n");
        return 77;
    }
    memset(out, 0, sizeof(out));
    sy__tls13_extract(hmac, zeros, sizeof(zeros), zeros, sizeof(zeros), out);
    check("early secret", out, sizeof(out),
          "33ad0a1c607ec03b09e6cd9893680ce2"
          "10adf300aa1f2660e1b22e10f170f92a");

    from_hex("8bd4054fb55b9d63fdfbacf9f04b9f0d"
             "35e6d63f537563efd46272900f89492d",
             in);
    sy__tls13_handshake_secret(hmac, in, out);
    check("handshake secret", out, sizeof(out),
          "1dc826e93606aa6fdc0aadc12f741b01"
          "046aa6b99f691ed221a9f0ca043fbeac");

    memcpy(in, out, sizeof(in));
    sy__tls13_master_secret(hmac, in, out);
    check("master secret", out, sizeof(out),
          "18df06843d13a08bf2a449844c5f8a47"
          "8001bc4d4c627984d5a41da8d0402919");

    from_hex("b67b7d690cc16c4e75e54213cb2d37b4"
             "e9c912bcded9105d42befd59d391ad38",
             in);
    sy__tls13_expand_label(hmac, in, "key", NULL, 0, out, TLS13_KEY_BYTES);
    check("server handshake key", out, TLS13_KEY_BYTES,
          "3fce516009c21727d0f2e4e86ee403bc");
    sy__tls13_expand_label(hmac, in, "iv", NULL, 0, out, TLS13_IV_BYTES);
    check("server handshake iv", out, TLS13_IV_BYTES,
          "5d313eb2671276ee13000b30");
    sy__tls13_expand_label(hmac, in, "finished", NULL, 0, out, sizeof(out));
    check("finished key", out, sizeof(out),
          "008d3b66f816ea559f96b537e885c31f"
          "c068bf492c652f01f288a1d8cdc19fc8");
    EVP_MAC_CTX_free(hmac);
    return bad;
}
