#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

// One input, whatever its bytes are. It ends the process if something is not as it must be.
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace pgtally::fuzz {

inline std::string_view text_of(std::uint8_t const* data, std::size_t size) noexcept
{
    return size == 0 ? std::string_view{} : std::string_view{reinterpret_cast<char const*>(data), size};
}

// What must be true of every input.
inline void expect(bool condition, char const* what) noexcept
{
    if (condition) return;
    std::fprintf(stderr, "fuzz: not true: %s\n", what);
    std::abort();
}

}  // namespace pgtally::fuzz
