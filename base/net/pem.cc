// SPDX-License-Identifier: Apache-2.0
#include "base/net/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace kiln {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using BioPtr = std::unique_ptr<BIO, Free>;
using X509Ptr = std::unique_ptr<X509, Free>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free>;

BioPtr Reader(std::string_view text) { return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// Instead of asking the terminal.
int NoPassword(char*, int, int, void*) { return 0; }

X509Ptr NextCertificate(BIO* bio) { return X509Ptr(PEM_read_bio_X509(bio, nullptr, NoPassword, nullptr)); }

Status Invalid(std::string_view name, std::string_view what) {
  return Error(absl::StatusCode::kInvalidArgument, "{}: {}", name, what);
}

}  // namespace

Status CheckCertificates(std::string_view pem, std::string_view name) {
  const BioPtr bio = Reader(pem);
  int count = 0;
  ERR_clear_error();
  while (NextCertificate(bio.get()) != nullptr) count++;
  // The end is reported as "no start line"; anything else is damage.
  const bool damaged = ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (damaged) return Invalid(name, fmt::format("certificate {} can't be read", count + 1));
  if (count == 0) return Invalid(name, "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)");
  return absl::OkStatus();
}

Status CheckKeyPair(std::string_view cert_pem, std::string_view cert_name, std::string_view key_pem,
                    std::string_view key_name) {
  KILN_RETURN_IF_ERROR(CheckCertificates(cert_pem, cert_name));
  const X509Ptr certificate = NextCertificate(Reader(cert_pem).get());
  const KeyPtr key(PEM_read_bio_PrivateKey(Reader(key_pem).get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    const bool encrypted = key_pem.find("ENCRYPTED") != std::string_view::npos;
    return Invalid(key_name, encrypted ? "the private key is encrypted; give one without a password"
                                       : "holds no private key in PEM (-----BEGIN PRIVATE KEY-----)");
  }
  const bool fits = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!fits)
    return Invalid(key_name, fmt::format("the private key does not belong to the certificate of {}", cert_name));
  return absl::OkStatus();
}

}  // namespace kiln
