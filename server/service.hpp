#pragma once

// `pgtally serve`: the replicas, the addresses, and everything between, on one io_context and one thread.
//
// Model: the service runs until SIGTERM or SIGINT, and then drains. At once it is no longer ready. After the delay it
// accepts no new clients, finishes requests in progress, closes WebSockets and streams of events a few at a time (so that they do not all
// reconnect elsewhere at the same moment), and stops the replicas. A second signal ends the process at once.
// SIGHUP reads again what may change while the server runs: some options (base/reload.hpp), the certificate, and the keys for
// tokens. What cannot be used is refused with a line in the log, and what there was stays.

#include <pgtally/server/base/serve_options.hpp>

#include <functional>
#include <memory>

namespace pgtally::server {

class service {
public:
    // Reads the options again, from where they came. Throws std::exception that says why it cannot.
    using read_options = std::function<serve_options()>;

    // Throws std::runtime_error if an address cannot be bound or --web is no folder.
    service(serve_options chosen, read_options again);
    ~service();

    // Runs until the drain is complete, and returns exit status 0. A second signal or a defect ends the process at once
    // with status 1.
    int run();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace pgtally::server
