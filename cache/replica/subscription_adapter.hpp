#pragma once

// A replica's subscription: from the tally's wake to one call of a function.

#include <pgtally/cache/replica/changes.hpp>
#include <pgtally/cache/subscription.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <vector>

namespace pgtally {

// Held by the embedder's handle and by whoever runs a call of it: it outlives the tally and the replica if it must.
class subscription_adapter final : public cache::subscriber, public std::enable_shared_from_this<subscription_adapter> {
public:
    using callback = std::function<void(changes const&)>;

    // All keys if `all`.
    subscription_adapter(boost::asio::any_io_executor executor, std::vector<any_key> keys, bool all, callback call);

    // Follows the tally, unless it follows one. The next flush makes the first call.
    void follow(cache::tally& which);

    // No call begins after this; one that is under way goes on, and its changes stay good.
    void end() noexcept;
    bool ended() const noexcept { return ended_; }

    void wake(cache::subscription& which) override;

private:
    bool collect();
    void call(changes const& what);

    boost::asio::any_io_executor executor_;
    std::vector<any_key> keys_;
    bool all_;
    callback callback_;
    std::unique_ptr<cache::subscription> subscription_;
    cache::update part_;
    std::vector<cache::update::item> items_;
    bool ended_ = false, calling_ = false;
};

}  // namespace pgtally
