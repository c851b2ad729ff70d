#pragma once

#include <pgtally/db/error.hpp>
#include <pgtally/db/jitter_source.hpp>
#include <pgtally/db/transaction.hpp>

#include <chrono>
#include <exception>
#include <optional>

namespace pgtally::db::detail {

/// Decides whether and when a transaction is repeated. Pure, except for the seed of its random numbers.
class retrying {
public:
    explicit retrying(retry_options options)
        : left_(options.attempts == 0 ? 0 : options.attempts - 1), pauses_(options.pauses, jitter_source())
    {
    }
    retrying(retrying const&) = delete;
    retrying& operator=(retrying const&) = delete;

    /// The pause before the next attempt after this failure; nothing: no further attempt.
    [[nodiscard]] std::optional<std::chrono::milliseconds> next(std::exception_ptr const& failure)
    {
        if (left_ == 0 || !is_conflict(failure)) return std::nullopt;
        --left_;
        return pauses_.next();
    }

    /// True if a concurrent transaction caused the failure. The transaction was certainly rolled back.
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
