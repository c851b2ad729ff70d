#pragma once

#include <chrono>
#include <cstddef>
#include <set>
#include <vector>

namespace pgtally::server {

enum class protocol { http, websocket, sse };

// A client connection, as the registry of clients sees it.
class client {
public:
    virtual protocol speaks() const noexcept = 0;

    // Ends the connection after the request or message in progress; at once if there is none.
    virtual void drain() = 0;

    // Ends the connection at once.
    virtual void cut() noexcept = 0;

    // Called every `limits::stall_check`. Ends the connection if the other end does not answer or takes nothing.
    virtual void check_liveness(std::chrono::steady_clock::time_point now) = 0;

    // The replicas changed. Only clients that registered by `clients::waits` are called.
    virtual void on_replicas_changed() {}

protected:
    ~client() = default;
};

// The registry of clients that are connected.
//
// Lifetime: a client removes itself before it is destroyed.
class clients {
public:
    void add(client& which) { all_.insert(&which); }
    void remove(client& which) noexcept
    {
        all_.erase(&which);
        waiting_.erase(&which);
    }

    // Registers or unregisters a connected client for changes of the replicas.
    void waits(client& which, bool yes);

    std::size_t size() const noexcept { return all_.size(); }
    std::size_t count(protocol of) const noexcept;
    std::vector<client*> those_of(protocol of) const;
    bool contains(client* which) const { return all_.contains(which); }

    void check_liveness(std::chrono::steady_clock::time_point now);

    // Calls the clients that registered by `waits`.
    void on_replicas_changed();

private:
    std::set<client*> all_, waiting_;
};

}  // namespace pgtally::server
