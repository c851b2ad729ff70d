#pragma once

// `pgtally serve`: the replicas, the addresses, and everything between, on one io_context and one thread.
//
// Model: it runs until a SIGTERM or SIGINT; then it drains: not ready at once, no new clients after the delay, requests
// under way finished, WebSockets closed a few at a time (all at once would all come back at once, elsewhere), the
// replicas stopped. A second signal ends it at once.

#include <pgtally/server/base/serve_options.hpp>

#include <memory>

namespace pgtally::server {

class service {
public:
    // Throws std::runtime_error if an address cannot be bound or --web is no folder.
    explicit service(serve_options chosen);
    ~service();

    // Until it has drained: the exit status 0. A second signal, or a defect, ends the process at once, with status 1.
    int run();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace pgtally::server
