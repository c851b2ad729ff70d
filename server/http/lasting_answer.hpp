#pragma once

namespace pgtally::server {

struct taken_connection;

// An answer without an end, such as a stream of events. It takes the connection over, so that the HTTP session, which
// needs some KiB, is freed.
class lasting_answer {
public:
    virtual ~lasting_answer() = default;

    // Takes the connection, and returns at once. Called once.
    virtual void serve(taken_connection on) = 0;
};

}  // namespace pgtally::server
