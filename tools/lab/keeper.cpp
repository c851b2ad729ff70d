#include "keeper.hpp"

#include <string>

namespace pgtally::lab {
namespace {

class sql_keeper final : public keeper {
public:
    sql_keeper(laboratory& lab, std::string_view sql) : lab_(lab), sql_(sql) {}

    asio::awaitable<void> start() override { co_return; }

    asio::awaitable<std::vector<count>> read(std::vector<std::int64_t>) override
    {
        // The sum of no rows is NULL.
        auto const sql = "select c.messageid, coalesce(c.rts, 0) from (" + sql_ + ") as c (messageid, rts)";
        auto const found = co_await lab_.director().query_as<count>(sql);
        co_return std::vector<count>(found.begin(), found.end());
    }

private:
    laboratory& lab_;
    std::string sql_;
};

}  // namespace

std::unique_ptr<keeper> make_keeper(laboratory& lab, strategy const& of)
{
    switch (of.keeper) {
        case keeper_kind::sql: return std::make_unique<sql_keeper>(lab, of.counters);
        case keeper_kind::listener: return make_listening_keeper(lab);
        case keeper_kind::replica: return make_replica_keeper(lab);
    }
    return nullptr;
}

}  // namespace pgtally::lab
