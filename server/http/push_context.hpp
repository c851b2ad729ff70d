#pragma once

#include <pgtally/server/base/access_log.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/base/net.hpp>
#include <pgtally/server/http/clients.hpp>
#include <pgtally/server/http/ready_queue.hpp>
#include <pgtally/server/http/traffic.hpp>

#include <array>
#include <memory>
#include <string>

namespace pgtally::server {

// What the sessions that push use one after another, and none of them between two calls of the loop.
struct push_scratch {
    std::array<char, 16'384> received{};
    std::string head{};                         // of what is to be written
    std::shared_ptr<std::string const> tail{};  // that follows it; may be null
};

// What such sessions need from the service. Lifetime: all referenced objects outlive them.
struct push_context {
    limits const& bounds;
    clients& connected;
    ready_queue& ready;
    traffic& counted;
    access_log& accesses;
    push_scratch& scratch;
    bool const& closing;  // the server takes no new clients any more
};

}  // namespace pgtally::server
