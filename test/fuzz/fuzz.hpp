#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

// Processes one input of any bytes. Aborts the process if a condition is violated.
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace pgtally::fuzz {

inline std::string_view text_of(std::uint8_t const* data, std::size_t size) noexcept
{
    return size == 0 ? std::string_view{} : std::string_view{reinterpret_cast<char const*>(data), size};
}

// A condition that holds for every input.
inline void expect(bool condition, char const* what) noexcept
{
    if (condition) return;
    std::fprintf(stderr, "fuzz: not true: %s\n", what);
    std::abort();
}

}  // namespace pgtally::fuzz
