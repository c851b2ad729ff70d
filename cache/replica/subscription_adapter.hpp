#pragma once

// Turns the wakes of a core subscription into calls of an embedder's function.

#include <pgtally/cache/replica/changes.hpp>
#include <pgtally/cache/subscription.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pgtally {

// Lifetime: the embedder's handle owns the adapter, and the adapter keeps itself alive during a call. It may outlive
// the tally and the replica.
class subscription_adapter final : public cache::subscriber, public std::enable_shared_from_this<subscription_adapter> {
public:
    using callback = std::function<void(changes const&)>;

    // Takes an answer: the update that has it, and the names of the counters.
    using answer_callback = std::function<void(cache::update const&, std::vector<std::string> const&)>;

    // What the adapters of one replica share.
    struct group {
        bool ended = false;  // the replica was destroyed: no adapter calls its function any more
        std::vector<std::weak_ptr<subscription_adapter>> detached;  // adapters that have no subscription to a tally
    };

    // Subscribes to all keys if `all`, else to `keys`. The caller adds the adapter to `of->detached`.
    subscription_adapter(boost::asio::any_io_executor executor, std::shared_ptr<group> of, std::vector<any_key> keys,
                         bool all, callback call);

    // Subscribes to the answer to a question.
    subscription_adapter(boost::asio::any_io_executor executor, std::shared_ptr<group> of, cache::question asks,
                         answer_callback call);

    // Subscribes to the tally, unless the adapter has a subscription already. The next flush makes the first call. If
    // the tally is destroyed, the adapter adds itself to `detached`.
    void attach(cache::tally& which);

    // No call begins after this. A call that is running continues, and its changes stay valid.
    void end() noexcept;

    void wake(cache::subscription& which) override;

private:
    bool collect();
    void wake_with_answer();
    template <class F>
    void call(F const& what);

    boost::asio::any_io_executor executor_;
    std::shared_ptr<group> group_;
    std::vector<any_key> keys_;
    bool all_ = false;
    callback callback_;
    std::optional<cache::question> asks_;
    answer_callback answer_callback_;
    std::unique_ptr<cache::subscription> subscription_;
    cache::update part_;
    std::vector<cache::update::item> items_;
    bool ended_ = false, calling_ = false;
};

}  // namespace pgtally
