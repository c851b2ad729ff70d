#pragma once

#include <pgtally/db/error.hpp>
#include <pgtally/db/jitter_source.hpp>
#include <pgtally/db/transaction.hpp>

#include <chrono>
#include <exception>
#include <optional>

namespace pgtally::db::detail {

/// How often a transaction is done again, and how soon. Pure, but for the seed of its draws.
class retrying {
public:
    explicit retrying(retry_options options)
        : left_(options.attempts == 0 ? 0 : options.attempts - 1)
        , pauses_(options.pauses, jitter_source())
    {
    }
    retrying(retrying const&) = delete;
    retrying& operator=(retrying const&) = delete;

    /// The pause before the next attempt after one that failed so; nothing: there is none.
    [[nodiscard]] std::optional<std::chrono::milliseconds> next(std::exception_ptr const& failure)
    {
        if (left_ == 0 || !is_conflict(failure)) return std::nullopt;
        --left_;
        return pauses_.next();
    }

    /// The transaction did nothing wrong: another one was in its way. It was rolled back, for certain.
    [[nodiscard]] static bool is_conflict(std::exception_ptr const& failure)
    {
        try {
            std::rethrow_exception(failure);
        } catch (error const& thrown) {
            return thrown.code() == errc::server_error && (thrown.state().is("40001") || thrown.state().is("40P01"));
        } catch (...) {
            return false;
        }
    }

private:
    unsigned left_;
    backoff pauses_;
};

}  // namespace pgtally::db::detail
