// Tokens, their claims, and files of keys.

#include "fuzz.hpp"

#include <pgtally/server/auth/claims.hpp>
#include <pgtally/server/auth/key_file.hpp>
#include <pgtally/server/auth/key_set.hpp>

#include <string>

namespace {

using namespace pgtally::server;
using pgtally::fuzz::expect;

constexpr std::string_view known_secret = "a secret that the fuzzer does not know";

// A token that nobody signed is never taken, whatever it says.
void play_token(std::string_view text)
{
    static key_set const keys{{token_key::of_secret(std::string{known_secret}, std::nullopt)}};
    limits const bounds;
    auto const split = split_token(text, bounds);
    auto const* const token = std::get_if<jwt>(&split);
    if (token == nullptr) return;
    expect(text.size() <= bounds.max_token_bytes, "a token is not too long");
    expect(text.starts_with(token->signed_text), "what is signed is the beginning of the token");
    expect(keys.verify(*token).has_value(), "the token was not signed by this key");
}

void play_claims(std::string_view text)
{
    std::chrono::sys_seconds const now{std::chrono::seconds{1'000}};
    auto const read = read_claims(text, {{}, {}, std::chrono::seconds{30}}, now);
    auto const* const good = std::get_if<claims>(&read);
    if (good == nullptr) return;
    expect(good->until + std::chrono::seconds{30} > now, "the token has not expired");
    expect(good->gives.by_token(), "these are the rights of a token");
    bool const reads = good->gives.to_tally("*") == access::allowed;
    expect(!good->gives.reads_everything() || reads, "who reads everything reads every tally");
    expect(good->gives.to_act("a", "b", "c") != access::allowed || good->gives.to_key("a", "c") == access::allowed,
           "who acts on a key reads it");
}

void play_file(std::string_view text)
{
    auto const read = read_key_file(text);
    expect(read.keys.empty() != read.wrong.empty(), "a file has keys, or something is wrong with it");
    for (auto const& key : read.keys) {
        if (text.find("-----BEGIN") == std::string_view::npos) continue;
        expect(key.does() != algorithm::hs256, "what is PEM is no secret");
    }
}

}  // namespace

int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    auto const text = pgtally::fuzz::text_of(data, size);
    play_token(text);
    play_claims(text);
    play_file(text);
    return 0;
}
