#pragma once

#include <boost/asio/awaitable.hpp>

namespace pgtally::server {

struct taken_connection;

// An answer without an end, such as a stream of events. It takes the connection over, so that the HTTP session, which
// needs some KiB, is freed.
class lasting_answer {
public:
    virtual ~lasting_answer() = default;

    // Writes the head and then the body, until either end closes the connection. Called once.
    //
    // Lifetime: `on` owns this object, and outlives the call.
    virtual boost::asio::awaitable<void> serve(taken_connection& on) = 0;
};

}  // namespace pgtally::server
