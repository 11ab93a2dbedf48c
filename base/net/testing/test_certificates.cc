// SPDX-License-Identifier: Apache-2.0
#include "base/net/testing/test_certificates.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdlib>
#include <memory>

namespace kiln::testing {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
template <typename T>
using Ptr = std::unique_ptr<T, Free>;

void Require(bool ok) {
  if (!ok) std::abort();
}

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Ptr<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  Require(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

Ptr<X509> ReadCertificate(const std::string& pem) {
  const Ptr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Ptr<X509>(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

Ptr<EVP_PKEY> ReadKey(const std::string& pem) {
  const Ptr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Ptr<EVP_PKEY>(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

struct Wanted {
  std::string common_name;
  std::string alternative_names;  // as OpenSSL's configuration has them; "" = an authority
  bool expired = false;
};

// Signed by `issuer`; by itself if that is null.
TestCertificate Make(const Wanted& wanted, const TestCertificate* issuer) {
  static std::atomic<long> next_serial = 1;
  const Ptr<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Ptr<X509> certificate(X509_new());
  Require(key != nullptr && certificate != nullptr);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), next_serial++);
  constexpr long kDay = 24 * 3600;
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), wanted.expired ? -2 * kDay : -kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), wanted.expired ? -kDay : kDay);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wanted.common_name.c_str()), -1, -1, 0);
  const Ptr<X509> issuer_certificate = issuer == nullptr ? nullptr : ReadCertificate(issuer->cert_pem);
  const Ptr<EVP_PKEY> issuer_key = issuer == nullptr ? nullptr : ReadKey(issuer->key_pem);
  X509* by = issuer == nullptr ? certificate.get() : issuer_certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(by));
  AddExtension(certificate.get(), by, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  if (!wanted.alternative_names.empty())
    AddExtension(certificate.get(), by, NID_subject_alt_name, wanted.alternative_names);
  Require(X509_sign(certificate.get(), issuer == nullptr ? key.get() : issuer_key.get(), EVP_sha256()) > 0);

  const Ptr<BIO> cert_text(BIO_new(BIO_s_mem())), key_text(BIO_new(BIO_s_mem()));
  Require(PEM_write_bio_X509(cert_text.get(), certificate.get()) == 1);
  Require(PEM_write_bio_PKCS8PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return {.cert_pem = Text(cert_text.get()), .key_pem = Text(key_text.get())};
}

bool IsAddress(const std::string& host) {
  return host.find(':') != std::string::npos ||
         std::ranges::all_of(host, [](char c) { return std::isdigit(static_cast<unsigned char>(c)) || c == '.'; });
}

}  // namespace

TestAuthority::TestAuthority(std::string name) : name_(std::move(name)), own_(Make({.common_name = name_}, nullptr)) {}

TestCertificate TestAuthority::Issue(const std::string& common_name, const std::vector<std::string>& hosts,
                                     bool expired) const {
  Wanted wanted{.common_name = common_name, .expired = expired};
  for (const std::string& host : hosts) {
    wanted.alternative_names += wanted.alternative_names.empty() ? "" : ",";
    wanted.alternative_names += (IsAddress(host) ? "IP:" : "DNS:") + host;
  }
  return Make(wanted, &own_);
}

}  // namespace kiln::testing
