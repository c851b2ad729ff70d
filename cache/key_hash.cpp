#include <pgtally/cache/key_hash.hpp>

#include <bit>
#include <cstring>
#include <random>

namespace pgtally::cache {

namespace {

// SipHash, by Aumasson and Bernstein, with one round for each word of the input and three at the end.
struct sip {
    std::uint64_t v0, v1, v2, v3;

    sip(std::uint64_t k0, std::uint64_t k1) noexcept
        : v0{k0 ^ 0x736f6d6570736575ULL}
        , v1{k1 ^ 0x646f72616e646f6dULL}
        , v2{k0 ^ 0x6c7967656e657261ULL}
        , v3{k1 ^ 0x7465646279746573ULL}
    {
    }

    void round() noexcept
    {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }

    void take(std::uint64_t word) noexcept
    {
        v3 ^= word;
        round();
        v0 ^= word;
    }
};

// The next bytes, at most eight, as a little-endian number.
std::uint64_t word_at(char const* from, std::size_t size) noexcept
{
    static_assert(std::endian::native == std::endian::little);
    std::uint64_t out = 0;
    std::memcpy(&out, from, size);
    return out;
}

}  // namespace

hash_seed const& process_hash_seed()
{
    static hash_seed const seed = [] {
        std::random_device random;
        auto const word = [&random] { return (std::uint64_t{random()} << 32) | random(); };
        return hash_seed{.a = word(), .b = word(), .c = word(), .d = word()};
    }();
    return seed;
}

std::uint64_t hash_of(std::string_view text, hash_seed const& seed) noexcept
{
    sip state{seed.a, seed.b};
    auto const length = std::uint64_t{text.size()} << 56;
    for (; text.size() >= 8; text.remove_prefix(8)) state.take(word_at(text.data(), 8));
    state.take(length | (text.empty() ? 0 : word_at(text.data(), text.size())));
    state.v2 ^= 0xff;
    for (int i = 0; i < 3; ++i) state.round();
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace pgtally::cache
