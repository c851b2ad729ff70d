#pragma once

#include <chrono>
#include <cstddef>
#include <set>
#include <vector>

namespace pgtally::server {

enum class protocol { http, websocket };

// A connection, as far as the server as a whole has to do with it.
class client {
public:
    virtual protocol speaks() const noexcept = 0;

    // Finish what is under way and go; sessions that have nothing to finish go at once.
    virtual void drain() = 0;

    // Go now.
    virtual void cut() noexcept = 0;

    // Called every `limits::stall_check`: go if the other end does not answer or takes nothing.
    virtual void check_liveness(std::chrono::steady_clock::time_point now) = 0;

    // Something happened to the replicas; for those that wait for that.
    virtual void on_replicas_changed() {}

protected:
    ~client() = default;
};

// Those that are connected.
class clients {
public:
    void add(client& which) { all_.insert(&which); }
    void remove(client& which) noexcept
    {
        all_.erase(&which);
        waiting_.erase(&which);
    }

    // Whether a client, one of those, waits for something to happen to the replicas.
    void waits(client& which, bool yes);

    std::size_t size() const noexcept { return all_.size(); }
    std::size_t count(protocol of) const noexcept;
    std::vector<client*> those_of(protocol of) const;
    bool contains(client* which) const { return all_.contains(which); }

    // Has each of them look after itself.
    void check_liveness(std::chrono::steady_clock::time_point now);

    // Tells those that wait for it that something happened to the replicas.
    void on_replicas_changed();

private:
    std::set<client*> all_, waiting_;
};

}  // namespace pgtally::server
