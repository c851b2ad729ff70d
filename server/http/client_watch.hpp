#pragma once

#include <pgtally/server/http/client_stream.hpp>

#include <functional>
#include <memory>

namespace pgtally::server {

// Notices that a client closes its side while its request is answered, when nobody reads.
//
// Lifetime: the stream outlives the watch. What `begin` takes is not called after `end`.
class client_watch {
public:
    explicit client_watch(client_stream& of) noexcept : stream_{of} {}

    void begin(std::function<void()> gone);
    void end();

    // If the client has sent its next request, the kernel says no more by itself: to be called every now and then.
    void look(client_stream::clock::time_point now);

private:
    client_stream& stream_;
    std::shared_ptr<std::function<void()>> gone_;  // empty: nothing is to be called any more
};

}  // namespace pgtally::server
