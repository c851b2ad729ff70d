#pragma once

#include <cstddef>

namespace pgtally::server {

// What a read or a write needs before it can do more.
enum class io_need {
    nothing,
    readable,  // wait for the socket to be readable
    writable,  // wait for it to be writable
    never,     // the connection has ended
};

// What a read or a write did that never waits.
struct io_outcome {
    std::size_t size = 0;             // the bytes read or written
    io_need need = io_need::nothing;  // if there are none
};

}  // namespace pgtally::server
