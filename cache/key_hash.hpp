#pragma once

// Hashes of keys, which clients and writers choose.
//
// Model: whoever knows a hash can choose keys that collide, and every look-up then walks through all of them. The
// hashes here depend on a seed that is random for each process. Texts are hashed by SipHash-1-3, which is made for that.
// A number is multiplied by a random 128-bit number, a random one is added, and the upper half is the hash: two
// different numbers collide in any n bits of it with probability 2^-n (Dietzfelbinger's universal family).
//
// Not promised: a hash is another one in another process. Nothing may depend on the order that hashes give.

#include <pgtally/cache/key.hpp>

#include <cstdint>
#include <string_view>

namespace pgtally::cache {

struct hash_seed {
    std::uint64_t a = 0, b = 0, c = 0, d = 0;
};

// The seed of this process, drawn at random by the first call.
//
// Errors: the first call throws std::exception if the system has no random numbers.
hash_seed const& process_hash_seed();

std::uint64_t hash_of(std::string_view text, hash_seed const& seed) noexcept;

constexpr std::uint64_t hash_of(std::int64_t number, hash_seed const& seed) noexcept
{
    __extension__ using word2 = unsigned __int128;
    auto const factor = (word2{seed.a} << 64) | seed.b;
    auto const summand = (word2{seed.c} << 64) | seed.d;
    return static_cast<std::uint64_t>((factor * static_cast<std::uint64_t>(number) + summand) >> 64);
}

// The hash as a container's function object. Lifetime: the seed outlives it.
class key_hash {
public:
    using is_transparent = void;
    using is_avalanching = void;

    explicit key_hash(hash_seed const& seed) noexcept : seed_{&seed} {}

    std::uint64_t operator()(std::string_view text) const noexcept { return hash_of(text, *seed_); }
    std::uint64_t operator()(std::int64_t number) const noexcept { return hash_of(number, *seed_); }

private:
    hash_seed const* seed_;
};

}  // namespace pgtally::cache
