#include <pgtally/cache/uuid.hpp>

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

namespace pgtally::cache {

std::string make_uuid()
{
    return boost::uuids::to_string(boost::uuids::random_generator{}());
}

}  // namespace pgtally::cache
