#include <pgtally/db/attempt.hpp>

namespace pgtally::db {

void throw_exception_from_error(error const& failure, boost::source_location const&)
{
    throw failure;
}

std::optional<error> error_of(std::exception_ptr thrown)
{
    if (!thrown) return std::nullopt;
    try {
        std::rethrow_exception(std::move(thrown));
    } catch (error const& failure) {
        return failure;
    } catch (boost::system::system_error const& failure) {
        return error(failure.code(), failure.what());
    }
}

error_code code_of(std::exception_ptr thrown)
{
    auto const failure = error_of(std::move(thrown));
    return failure ? failure->code() : error_code();
}

}  // namespace pgtally::db
