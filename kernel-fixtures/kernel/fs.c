/* Files: containers in unions, function pointers in all places, flexible arrays, a function that gcc clones. */
#include "device.h"
#include "sched.h"

struct files_struct {
    atomic_t count;
    struct fdtable {
        unsigned int max_fds;
        struct file **fd;
        unsigned long open_fds[];
    } *fdt;
    struct file *fd_array[64];
};

static noinline used int active_show(struct inode *inode, char *buffer)
{
    return inode->i_mode + buffer[0];
}

/* Every caller passes the same mode: the compiler may make a clone without the parameter. */
static noinline long do_transfer(struct file *file, char *buffer, size_t count, int mode)
{
    s64 position = file->f_pos;
    long done = mode ? file->f_op->read(file, buffer, count, &position)
                     : file->f_op->write(file, buffer, count, &position);

    file->f_pos = position;
    return done;
}

long kernel_read(struct file *file, char *buffer, size_t count)
{
    return do_transfer(file, buffer, count, 1) + do_transfer(file, buffer + 1, count - 1, 1);
}
EXPORT_SYMBOL(kernel_read);

static void init_once(void *object)
{
    struct inode *inode = object;

    inode->i_mode = 0;
}

int open_file(struct task_struct *task, struct inode *inode, unsigned int fd)
{
    struct file *file = kmalloc(sizeof(*file), 0);
    void (*volatile construct)(void *) = init_once;

    if (fd >= task->files->fdt->max_fds)
        return -1;
    construct(inode);
    file->f_op = inode->i_fop;
    task->files->fdt->fd[fd] = file;
    return active_show(inode, "") + file->f_op->open(inode, file);
}
