# together(OUT NAME SOURCES...): the sources to compile instead of these when
# MUTSU_TOGETHER is on, in OUT; otherwise the same.  TESTS as the first of them:
# they are tests of each.c, and always taken together.
option(MUTSU_TOGETHER "Compile many sources at once (together.awk)" OFF)
function(together out name)
	set(sources ${ARGN})
	set(tests 0)
	if("${ARGV2}" STREQUAL "TESTS")
		set(tests 1)
		list(POP_FRONT sources)
	endif()
	if(NOT MUTSU_TOGETHER AND NOT tests)
		set(${out} ${sources} PARENT_SCOPE)
		return()
	endif()
	set(dir ${CMAKE_BINARY_DIR}/together)
	file(MAKE_DIRECTORY ${dir}/new)
	execute_process(COMMAND awk -v out=${dir}/new/${name} -v most=12 -v tests=${tests}
	    -v root=${CMAKE_SOURCE_DIR} -f ${CMAKE_SOURCE_DIR}/cmake/together.awk ${sources}
	    OUTPUT_VARIABLE made COMMAND_ERROR_IS_FATAL ANY)
	string(REGEX MATCHALL "[^\n]+" made "${made}")
	set(list "")
	foreach(new ${made})
		string(REPLACE "/together/new/" "/together/" old ${new})
		file(COPY_FILE ${new} ${old} ONLY_IF_DIFFERENT)
		list(APPEND list ${old})
	endforeach()
	# Names that are the same in two files are told by the build without it.
	set_source_files_properties(${list} PROPERTIES COMPILE_OPTIONS -Wno-shadow)
	set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY
	    CMAKE_CONFIGURE_DEPENDS ${sources})
	set(${out} ${list} PARENT_SCOPE)
endfunction()
