dnl SR_CHECK_COMPILER_FLAGS(VARIABLE, FLAGS): appends those of FLAGS that the compiler takes, and substitutes VARIABLE.
dnl -Werror is in the trial because clang only warns of a flag it does not know.
AC_DEFUN([SR_CHECK_COMPILER_FLAGS], [
	AC_SUBST([$1])
	for sr_flag in m4_normalize([$2]); do
		AC_MSG_CHECKING([whether $CC takes $sr_flag])
		sr_saved_cflags=$CFLAGS
		CFLAGS="$CFLAGS -Werror $sr_flag"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
			[AC_MSG_RESULT([yes])
			$1="${$1:+$$1 }$sr_flag"],
			[AC_MSG_RESULT([no])])
		CFLAGS=$sr_saved_cflags
	done
])

dnl SR_CHECK_LINKER_FLAGS(VARIABLE, FLAGS): the same for the linker.
AC_DEFUN([SR_CHECK_LINKER_FLAGS], [
	AC_SUBST([$1])
	for sr_flag in m4_normalize([$2]); do
		AC_MSG_CHECKING([whether the linker takes $sr_flag])
		sr_saved_ldflags=$LDFLAGS
		LDFLAGS="$LDFLAGS $sr_flag"
		AC_LINK_IFELSE([AC_LANG_PROGRAM()],
			[AC_MSG_RESULT([yes])
			$1="${$1:+$$1 }$sr_flag"],
			[AC_MSG_RESULT([no])])
		LDFLAGS=$sr_saved_ldflags
	done
])

dnl SR_SANITIZERS(LIST): "no", or what -fsanitize= takes. SR_CPPFLAGS gets the fortified libc calls only without: the
dnl sanitizers have their own. With "fuzzer" in LIST, everything is instrumented and SR_FUZZER_LDFLAGS adds the driver to the
dnl fuzz targets. clang leaves its runtime out of shared libraries, so these may keep symbols undefined then.
AC_DEFUN([SR_SANITIZERS], [
	AC_SUBST([SR_CPPFLAGS])
	AC_SUBST([SR_FUZZER_LDFLAGS])
	AS_CASE([$1],
		[no], [SR_CPPFLAGS='-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2'],
		[*], [sr_sanitizers=$1
			AS_CASE([,$1,], [*,fuzzer,*],
				[SR_FUZZER_LDFLAGS=-fsanitize=fuzzer
				SR_SHARED_LDFLAGS=
				sr_sanitizers=`echo "$1" | $SED 's/fuzzer/fuzzer-no-link/'`])
			SR_CFLAGS="$SR_CFLAGS -fsanitize=$sr_sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer"
			sr_saved_cflags=$CFLAGS
			CFLAGS="$CFLAGS $SR_CFLAGS"
			AC_LINK_IFELSE([AC_LANG_PROGRAM()], [], [AC_MSG_ERROR([$CC has no -fsanitize=$sr_sanitizers])])
			CFLAGS=$sr_saved_cflags])
])

dnl SR_FIND_FILE(VARIABLE, NAME, DIRECTORIES): the first DIRECTORY/NAME that is there; empty for none.
AC_DEFUN([SR_FIND_FILE], [
	AC_MSG_CHECKING([for $2])
	$1=
	for sr_dir in m4_normalize([$3]); do
		AS_IF([test -z "$$1" && test -r "$sr_dir/$2"], [$1=$sr_dir/$2])
	done
	AC_MSG_RESULT([${$1:-no}])
])
