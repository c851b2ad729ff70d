#include <pgtally/cache/stream.hpp>

#include <pgtally/cache/key_hash.hpp>

#include <boost/uuid/uuid.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <cstddef>

namespace pgtally::cache {

namespace {

// Any fixed numbers do; other ones would be other epochs than those of servers of this version.
constexpr hash_seed upper{0x7067'7461'6c6c'7901, 0, 0, 0}, lower{0x7067'7461'6c6c'7902, 0, 0, 0};

void put(boost::uuids::uuid& id, std::size_t at, std::uint64_t number)
{
    for (std::size_t i = 0; i < 8; ++i) id.data[at + i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
}

}  // namespace

std::string shared_epoch(std::string const& order, definition const& of)
{
    auto const text = order + '/' + of.name + '/' + std::to_string(of.v) + '/' + of.fingerprint;
    boost::uuids::uuid id;
    put(id, 0, hash_of(text, upper));
    put(id, 8, hash_of(text, lower));
    id.data[6] = static_cast<std::uint8_t>((id.data[6] & 0x0f) | 0x80);  // the version
    id.data[8] = static_cast<std::uint8_t>((id.data[8] & 0x3f) | 0x80);  // the variant
    return boost::uuids::to_string(id);
}

}  // namespace pgtally::cache
