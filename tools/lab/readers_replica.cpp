#include "own_replica.hpp"
#include "readers.hpp"
#include "strategy.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace pgtally::lab {
namespace {

class replica_reader final : public reader {
public:
    replica_reader(own_replica const& from, asio::any_io_executor executor, std::int64_t message)
        : from_(from), executor_(std::move(executor)), message_(message)
    {
    }

    asio::awaitable<std::int64_t> read() override { co_return from_.rts(message_); }
    asio::awaitable<void> pause() override { co_await asio::post(executor_, asio::use_awaitable); }

private:
    own_replica const& from_;
    asio::any_io_executor executor_;
    std::int64_t message_;
};

class replica_way final : public way_to_read {
public:
    replica_way(laboratory& lab, std::int64_t message) : lab_(lab), message_(message), replica_(lab) {}

    [[nodiscard]] char const* name() const noexcept override { return "pgtally-embedded"; }
    [[nodiscard]] char const* says() const noexcept override
    {
        return "a replica in the reader's own program. A read is a lookup in memory. The readers, the writers' "
               "connections and the replica share one thread here.";
    }

    asio::awaitable<void> prepare() override
    {
        co_await lab_.director().script(std::string(pgtally_notify.setup[0]));
        replica_.start();
        co_await replica_.until_live();
    }

    asio::awaitable<std::unique_ptr<reader>> open() override
    {
        co_return std::make_unique<replica_reader>(replica_, lab_.executor(), message_);
    }

    asio::awaitable<void> settle() override { return replica_.catch_up(); }

private:
    laboratory& lab_;
    std::int64_t message_;
    own_replica replica_;
};

}  // namespace

std::unique_ptr<way_to_read> way_by_replica(laboratory& lab, reading_options const& chosen)
{
    return std::make_unique<replica_way>(lab, chosen.message);
}

}  // namespace pgtally::lab
