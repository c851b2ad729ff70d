#pragma once

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <string>

namespace pgtally::cache {

// A new random UUID (RFC 9562, version 4) in its text form: the id of an epoch or of a barrier.
//
// Errors: throws boost::uuids::entropy_error if the system has no random numbers.
inline std::string make_uuid()
{
    return boost::uuids::to_string(boost::uuids::random_generator{}());
}

}  // namespace pgtally::cache
