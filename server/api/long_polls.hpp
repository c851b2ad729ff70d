#pragma once

// Requests that wait until what they ask for has changed: `?since=<epoch>-<revision>&wait=20`.
//
// Guarantees: a change wakes the requests that concern it, and no others. A client that goes away frees its place at
// once. At most `limits::max_long_polls` requests wait.

#include <pgtally/cache/tally.hpp>
#include <pgtally/server/api/api_query.hpp>
#include <pgtally/server/api/long_poll.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/request.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace pgtally::server {

class change_watch;

class long_polls {
public:
    explicit long_polls(limits const& bounds) noexcept : bounds_{bounds} {}

    enum class outcome {
        answer,     // the caller answers with what there is now; the tally may be another one, or gone
        unchanged,  // nothing changed for as long as the client wants to wait
        too_many,   // there is no place to wait
    };

    // Waits for a change of keys, or of any key if there are none. Precondition: `wanted` has a position.
    boost::asio::awaitable<outcome> wait(request const& asked, cache::tally& of, std::vector<std::string> keys,
                                         poll_wanted wanted);

    // How many requests wait now.
    std::size_t size() const noexcept { return waiting_.size(); }

    // Ends all waits, and those to come: the server drains.
    void end() noexcept;

private:
    limits const& bounds_;
    std::set<change_watch*> waiting_;
    bool ending_ = false;
};

}  // namespace pgtally::server
