#include <pgtally/db/detail/statement_cache.hpp>

#include <algorithm>

namespace pgtally::db::detail {

statement_cache::statement_cache(std::size_t limit) : limit_(std::max(limit, std::size_t{1})) {}

statement_cache::use statement_cache::take(std::string_view sql)
{
    auto const found = by_text_.find(sql);
    if (found != by_text_.end()) {
        order_.splice(order_.begin(), order_, found->second);
        return {order_.front().statement, false, std::nullopt};
    }
    std::optional<id> displaced;
    if (order_.size() >= limit_) {
        displaced = order_.back().statement;
        by_text_.erase(order_.back().sql);
        order_.pop_back();
    }
    order_.push_front(entry{std::string(sql), id{++last_}});
    by_text_.emplace(order_.front().sql, order_.begin());
    return {order_.front().statement, true, displaced};
}

bool statement_cache::forget(std::string_view sql, id statement)
{
    auto const found = by_text_.find(sql);
    if (found == by_text_.end() || found->second->statement != statement) return false;
    auto const position = found->second;
    by_text_.erase(found);
    order_.erase(position);
    return true;
}

void statement_cache::clear() noexcept
{
    by_text_.clear();
    order_.clear();
}

std::string statement_cache::name(id statement)
{
    return "pgt_" + std::to_string(static_cast<std::uint64_t>(statement));
}

}  // namespace pgtally::db::detail
