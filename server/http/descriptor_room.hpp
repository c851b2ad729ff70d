#pragma once

// The descriptors that the public addresses leave to everything else.
//
// Model: the system gives each new descriptor the lowest free number. A public address accepts a connection only if that
// number is below the limit of the process less a reserve. So clients never hold the numbers of the reserve, and the
// admin address, the connections to the database and files always find some, however many clients there are. The limit
// is read each time: it may change while the process runs.

#include <cstddef>

namespace pgtally::server {

// The numbers that clients may not use: `wanted`, but at most half of `limit`.
constexpr std::size_t descriptors_kept(std::size_t limit, std::size_t wanted) noexcept
{
    return wanted < limit / 2 ? wanted : limit / 2;
}

// Whether a public address may accept a connection now. `open` is any descriptor of the process.
bool room_for_client(int open, std::size_t wanted) noexcept;

}  // namespace pgtally::server
