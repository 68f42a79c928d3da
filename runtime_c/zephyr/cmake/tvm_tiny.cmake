# tvm_tiny_add_model(<target> MODEL <model.tar or folder>)
#
# Compiles a model and links it to a target, usually app: a static library tvmgen_<name> with the
# model's headers. <name> is the one given to `tvm-tiny compile --name`, "default" if none was.
# Several models of different names may be added. A changed archive is unpacked by the next build.
#
# tvm_tiny_add_session(<target> [GLUE <folder>])
#
# Adds the models' descriptions, tvm_tiny_models.h and tvm_tiny_models.c, which a session lists. They
# are in the folder, or else they are written for the models that were added to the target so far;
# for that the Python that Zephyr uses must have the package tvm-tiny.
include_guard(GLOBAL)

set(TVM_TINY_RUNTIME ${CMAKE_CURRENT_LIST_DIR}/../.. CACHE INTERNAL "Folder runtime_c of tvm_tiny")

function(tvm_tiny_add_model target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "MODEL" "")
  if(NOT TARGET ${target} OR NOT arg_MODEL OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "tvm_tiny: expected tvm_tiny_add_model(<target> MODEL <model.tar>)")
  endif()
  if(NOT CONFIG_TVM_TINY)
    message(FATAL_ERROR "tvm_tiny: CONFIG_TVM_TINY is not set; add CONFIG_TVM_TINY=y to prj.conf")
  endif()
  get_filename_component(path "${arg_MODEL}" ABSOLUTE)
  tvm_tiny_unpack("${path}" folder)
  tvm_tiny_read_metadata("${folder}" "${path}" name abi)
  if(TARGET tvmgen_${name})
    message(FATAL_ERROR "tvm_tiny: two models are called '${name}'; compile one with --name")
  endif()
  tvm_tiny_check_abi("${path}" "${abi}")
  tvm_tiny_add_library("${folder}" "${name}")
  target_link_libraries(${target} PRIVATE tvmgen_${name})
  set_property(TARGET ${target} APPEND PROPERTY TVM_TINY_MODELS "${folder}")
endfunction()

function(tvm_tiny_add_session target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "GLUE" "")
  if(NOT CONFIG_TVM_TINY_SESSION)
    message(FATAL_ERROR "tvm_tiny: CONFIG_TVM_TINY_SESSION is not set; add it to prj.conf")
  endif()
  set(glue "${arg_GLUE}")
  if(NOT glue)
    set(glue "${CMAKE_CURRENT_BINARY_DIR}/tvm_tiny_session")
    tvm_tiny_write_glue(${target} "${glue}")
  endif()
  target_sources(${target} PRIVATE "${glue}/tvm_tiny_models.c")
  target_include_directories(${target} PRIVATE "${glue}")
endfunction()

function(tvm_tiny_write_glue target glue)
  get_property(models TARGET ${target} PROPERTY TVM_TINY_MODELS)
  if(CONFIG_TVM_TINY_PROFILE)
    set(profile --profile)
  endif()
  execute_process(
    COMMAND ${PYTHON_EXECUTABLE} -m tvm_tiny.micro.zephyr.glue ${profile} "${glue}" ${models}
    RESULT_VARIABLE failed ERROR_VARIABLE error OUTPUT_QUIET)
  if(failed)
    string(REGEX REPLACE ".*\n([^\n]+)\n*$" "\\1" error "${error}")
    message(FATAL_ERROR "tvm_tiny: the models' descriptions cannot be written: ${error} (install "
                        "tvm-tiny for ${PYTHON_EXECUTABLE}, or give GLUE)")
  endif()
endfunction()

# Folder of a model; an archive is unpacked below the binary folder.
function(tvm_tiny_unpack path result)
  if(NOT EXISTS "${path}")
    message(FATAL_ERROR "tvm_tiny: no model at ${path}; write one with 'tvm-tiny compile'")
  endif()
  set(folder "${path}")
  if(NOT IS_DIRECTORY "${path}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${path}")
    file(SHA256 "${path}" hash)
    string(SUBSTRING "${hash}" 0 16 hash)
    set(folder "${CMAKE_CURRENT_BINARY_DIR}/tvm_tiny/${hash}")
    if(NOT EXISTS "${folder}/metadata.json")
      tvm_tiny_check_members("${path}")
      execute_process(COMMAND ${CMAKE_COMMAND} -E make_directory "${folder}")
      execute_process(COMMAND ${CMAKE_COMMAND} -E tar xf "${path}" WORKING_DIRECTORY "${folder}"
                      RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
      if(failed)
        message(FATAL_ERROR "tvm_tiny: ${path} is not an archive of tvm-tiny")
      endif()
    endif()
  endif()
  if(NOT EXISTS "${folder}/metadata.json")
    message(FATAL_ERROR "tvm_tiny: ${path} is no Model Library Format: metadata.json is missing")
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${folder}/metadata.json")
  set(${result} "${folder}" PARENT_SCOPE)
endfunction()

# Archives come from elsewhere: only plain files below the root, of plain names, are unpacked.
function(tvm_tiny_check_members path)
  foreach(mode tf tvf)
    execute_process(COMMAND ${CMAKE_COMMAND} -E tar ${mode} "${path}"
                    RESULT_VARIABLE failed OUTPUT_VARIABLE ${mode} ERROR_QUIET)
    if(failed)
      message(FATAL_ERROR "tvm_tiny: ${path} is not an archive of tvm-tiny")
    endif()
  endforeach()
  if(NOT "${tf}" MATCHES "^[A-Za-z0-9_./\n-]*$" OR "${tf}" MATCHES "(^|[/\n])(\\.\\.)?/"
     OR "${tvf}" MATCHES "(^|\n)[^d\n-]| link to | -> ")
    message(FATAL_ERROR "tvm_tiny: ${path} has members that are not plain files below its root; "
                        "refused")
  endif()
endfunction()

# A model's sources: those that its metadata lists.
function(tvm_tiny_list_sources folder name result)
  file(READ "${folder}/metadata.json" text)
  string(JSON count LENGTH "${text}" modules "${name}" tvm_tiny sha256)
  math(EXPR last "${count} - 1")
  foreach(index RANGE ${last})
    string(JSON file MEMBER "${text}" modules "${name}" tvm_tiny sha256 ${index})
    if(file MATCHES "^codegen/host/src/[A-Za-z0-9_.-]+\\.c$")
      list(APPEND sources "${folder}/${file}")
    endif()
  endforeach()
  set(${result} ${sources} PARENT_SCOPE)
endfunction()

function(tvm_tiny_read_metadata folder path name_result abi_result)
  file(READ "${folder}/metadata.json" text)
  string(JSON version ERROR_VARIABLE error GET "${text}" version)
  string(JSON name ERROR_VARIABLE error GET "${text}" model_name)
  string(JSON abi ERROR_VARIABLE error GET "${text}" modules "${name}" tvm_tiny abi_version)
  if(error)
    message(FATAL_ERROR "tvm_tiny: ${path} was not written by tvm-tiny: ${error}")
  endif()
  if(NOT "${name}" MATCHES "^[A-Za-z_][A-Za-z0-9_]*$")
    message(FATAL_ERROR "tvm_tiny: ${path} has a model whose name is no C identifier; refused")
  endif()
  if(NOT version EQUAL 7)
    message(FATAL_ERROR "tvm_tiny: ${path} is Model Library Format ${version}, expected 7; "
                        "compile the model again")
  endif()
  set(${name_result} "${name}" PARENT_SCOPE)
  set(${abi_result} "${abi}" PARENT_SCOPE)
endfunction()

# The module's own sources and a model's must agree on the C interface.
function(tvm_tiny_check_abi path abi)
  file(STRINGS "${TVM_TINY_RUNTIME}/include/tvm_tiny/version.h" line
       REGEX "define TVM_TINY_ABI_VERSION")
  string(REGEX MATCH "[0-9]+" expected "${line}")
  if(NOT abi EQUAL expected)
    message(FATAL_ERROR "tvm_tiny: ${path} has version ${abi} of the C interface, this module has "
                        "${expected}; compile the model again with the tvm-tiny of this module")
  endif()
endfunction()

function(tvm_tiny_add_library folder name)
  tvm_tiny_list_sources("${folder}" "${name}" sources)
  tvm_tiny_check_libm("${name}" ${sources})
  add_library(tvmgen_${name} STATIC ${sources})
  target_include_directories(tvmgen_${name} BEFORE PUBLIC
    "${folder}/codegen/host/include" "${folder}/runtime/include")
  target_link_libraries(tvmgen_${name} PRIVATE zephyr_interface)
  if(TARGET zephyr_generated_headers)
    add_dependencies(tvmgen_${name} zephyr_generated_headers)
  endif()
  if(CONFIG_TVM_TINY_PROFILE AND CONFIG_TVM_TINY_SESSION)
    target_compile_options(tvmgen_${name} PRIVATE "SHELL:-include tvm_tiny/session_trace.h")
  endif()
  # Flags of a source come last, after Zephyr's own.
  if(CONFIG_TVM_TINY_OPTIMIZE_SPEED)
    set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS -O2)
  elseif(CONFIG_TVM_TINY_OPTIMIZE_SIZE)
    set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS -Os)
  endif()
endfunction()

# Float operators call functions of math.h, which Zephyr's minimal C library does not have.
function(tvm_tiny_check_libm name)
  if(NOT CONFIG_MINIMAL_LIBC)
    return()
  endif()
  foreach(source IN LISTS ARGN)
    file(STRINGS "${source}" found REGEX "#include <math.h>")
    if(found)
      message(FATAL_ERROR "tvm_tiny: model '${name}' has float operators, for which the minimal "
                          "C library has no functions; set CONFIG_NEWLIB_LIBC=y or "
                          "CONFIG_PICOLIBC=y")
    endif()
  endforeach()
endfunction()
