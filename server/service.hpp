#pragma once

// `pgtally serve`: the replicas, the addresses, and everything between, on one io_context and one thread.
//
// Model: the service runs until SIGTERM or SIGINT, and then drains. At once it is no longer ready. After the delay it
// accepts no new clients, finishes requests in progress, closes WebSockets and streams of events a few at a time (so that they do not all
// reconnect elsewhere at the same moment), and stops the replicas. A second signal ends the process at once.
// SIGHUP reads the keys for tokens again.

#include <pgtally/server/base/serve_options.hpp>

#include <memory>

namespace pgtally::server {

class service {
public:
    // Throws std::runtime_error if an address cannot be bound or --web is no folder.
    explicit service(serve_options chosen);
    ~service();

    // Runs until the drain is complete, and returns exit status 0. A second signal or a defect ends the process at once
    // with status 1.
    int run();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace pgtally::server
