// SPDX-License-Identifier: Apache-2.0
#include "base/net/cipher_names.h"

#include <gmock/gmock.h>
#include <openssl/ssl.h>

namespace kiln {
namespace {

using ::testing::HasSubstr;

TEST(OpenSslCiphers, TranslatesAndSortsByVersion) {
  const auto lists = OpenSslCiphers({"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256",
                                     "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"});
  ASSERT_TRUE(lists.ok());
  EXPECT_EQ(lists->tls12, "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305");
  EXPECT_EQ(lists->tls13, "TLS_AES_128_GCM_SHA256");
}

TEST(OpenSslCiphers, LeavesTheDefaultWhenNoneIsNamed) {
  const auto lists = OpenSslCiphers({});
  ASSERT_TRUE(lists.ok());
  EXPECT_EQ(lists->tls12 + lists->tls13, "");
}

TEST(OpenSslCiphers, RefusesUnknownNamesWithAllThatAreAllowed) {
  const Status status = OpenSslCiphers({"TLS_RSA_WITH_RC4_128_SHA"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("TLS_RSA_WITH_RC4_128_SHA"));
  EXPECT_THAT(Message(status), HasSubstr("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"));
}

// The second column of our table against OpenSSL itself: it knows the IANA name of each of its suites.
TEST(OpenSslCiphers, AgreesWithOpenSsl) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  ASSERT_EQ(SSL_CTX_set_cipher_list(context, "ALL:COMPLEMENTOFALL:@SECLEVEL=0"), 1);
  SSL* ssl = SSL_new(context);
  const Status known = OpenSslCiphers({"?"}).status();
  int found = 0;
  STACK_OF(SSL_CIPHER)* all = SSL_get_ciphers(ssl);
  for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(all, i);
    const char* name = SSL_CIPHER_standard_name(cipher);
    if (name == nullptr) continue;
    const auto lists = OpenSslCiphers({name});
    if (!lists.ok()) continue;
    found++;
    EXPECT_EQ(lists->tls12 + lists->tls13, SSL_CIPHER_get_name(cipher)) << name;
  }
  EXPECT_EQ(found, 13) << Message(known);
  SSL_free(ssl);
  SSL_CTX_free(context);
}

}  // namespace
}  // namespace kiln
