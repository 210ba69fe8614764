/* SPDX-License-Identifier: Apache-2.0 */
/* No include guard: included twice on purpose. */
SY_WORKLOAD(null)
SY_WORKLOAD(spin)
SY_WORKLOAD(rsa2048_sign)
SY_WORKLOAD(ecdsa_p256_sign)
SY_WORKLOAD(x25519)
SY_WORKLOAD(aes_128_gcm)
SY_WORKLOAD(chacha20_poly1305)
SY_WORKLOAD(sha256)
SY_WORKLOAD(tls13_handshake)
