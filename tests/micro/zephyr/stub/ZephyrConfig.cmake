# As much of Zephyr as the module needs to build for the host: the functions it calls, the target
# app (here a whole program), settings that kconfiglib has written, one extra module.
project(stub C)
include(${STUB_CONFIG})
add_executable(app)
add_library(zephyr_interface INTERFACE)
target_include_directories(zephyr_interface INTERFACE ${CMAKE_CURRENT_LIST_DIR}/include)
target_compile_options(zephyr_interface INTERFACE -imacros ${STUB_AUTOCONF} -Os -Wall -Wextra -Werror)
target_link_libraries(app PRIVATE zephyr_interface)

function(zephyr_include_directories)
  foreach(folder IN LISTS ARGN)
    get_filename_component(folder ${folder} ABSOLUTE)
    target_include_directories(zephyr_interface INTERFACE ${folder})
  endforeach()
endfunction()

function(zephyr_compile_definitions)
  target_compile_definitions(zephyr_interface INTERFACE ${ARGN})
endfunction()

function(zephyr_library_named name)
  add_library(${name} STATIC)
  target_link_libraries(${name} PRIVATE zephyr_interface)
  target_link_libraries(app PRIVATE ${name})
  set(ZEPHYR_CURRENT_LIBRARY ${name} PARENT_SCOPE)
endfunction()

function(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()

add_subdirectory(${ZEPHYR_EXTRA_MODULES} ${CMAKE_BINARY_DIR}/tvm_tiny_module)
